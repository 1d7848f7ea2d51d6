import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { sidecarOf } from "../../tools/artefact/manifest-file.ts";
import { sourceDigest } from "../../tools/checkpoint/source-identity.ts";
import { V4Error } from "../../tools/lib/errors.ts";
import { choosePlan } from "../../tools/plan/choose-plan.ts";
import type { QuantizeResult } from "../../tools/quantize/describe.ts";

import { type QuantizeOptions, quantize } from "../../tools/quantize/quantize.ts";

export interface Conversion extends Pick<QuantizeOptions, "stream"> {
  readonly source: QuantizeOptions["place"];
  readonly out: string;
  readonly recipe: string;
  readonly imatrix?: string;
  readonly splitBytes?: number;
  readonly workers?: number;
  readonly force?: boolean;
  readonly restart?: boolean;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

/** Runs the stage as the command does, without the second that a new process takes. */
export const convert = ({
  source: place,
  recipe,
  splitBytes,
  ...options
}: Conversion): Promise<QuantizeResult> =>
  quantize({
    place,
    planFor: (census, source) =>
      choosePlan(census, { recipe, splitBytes, allowLarger: true }, sourceDigest(source)),
    workers: 2,
    force: false,
    restart: false,
    dryRun: false,
    quiet: true,
    ...options,
  });

/** The same conversion as a command line. */
export const commandOf = ({ source, out, recipe, splitBytes, imatrix, force }: Conversion): string[] => [
  ...[
    "quantize",
    String(source),
    "--recipe",
    recipe,
    "--out",
    out,
    "--allow-larger",
    "--quiet",
    "--workers",
    "2",
  ],
  ...(splitBytes === undefined ? [] : ["--split-size", String(splitBytes)]),
  ...(imatrix === undefined ? [] : ["--imatrix", imatrix]),
  ...(force ? ["--force"] : []),
];

/** A signal that is found aborted when it is looked at for the n-th time: an interrupt at an exact moment. */
function interruptAt(look: number): AbortSignal {
  let looks = 0;
  const reason = new V4Error("interrupted", { what: "interrupted" });
  const isAborted = (): boolean => ++looks >= look;
  return {
    reason,
    get aborted() {
      return isAborted();
    },
    throwIfAborted() {
      if (isAborted()) throw reason;
    },
  } as AbortSignal;
}

/** Begins a conversion and interrupts it; returns the numbers of the pieces on record. */
export async function leaveUnfinished(conversion: Conversion, look = 60): Promise<number[]> {
  await expect(convert({ ...conversion, signal: interruptAt(look) })).rejects.toThrow("interrupted");
  return journalLines(conversion.out)
    .slice(1)
    .map((line) => (JSON.parse(line) as { piece: number }).piece);
}

export const journalOf = (out: string): string => join(sidecarOf(out), "journal.jsonl");
export const journalLines = (out: string): string[] =>
  readFileSync(journalOf(out), "utf8").split("\n").slice(0, -1);

export const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Everything that must be the same wherever and however an artefact was made: names and hashes, and the manifest's digest. */
export function identityOf(out: string): string[] {
  const { files, digest } = JSON.parse(readFileSync(join(sidecarOf(out), "manifest.json"), "utf8")) as {
    files: { name: string }[];
    digest: string;
  };
  const gguf = out.endsWith(".gguf");
  const folder = gguf ? dirname(out) : out;
  const names = gguf ? files.map(({ name }) => name) : readdirSync(out).sort();
  return [...names.map((name) => `${name} ${sha256(join(folder, name))}`), digest];
}

/** What a failed call says and exits with. */
export async function failureOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof V4Error) return `${error.exitCode} ${error.message}`;
    throw error;
  }
  return "0";
}
