import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { type CliResult, cli } from "./cli.ts";
import { type Conversion, commandOf, convert, identityOf, journalOf, sha256 } from "./conversions.ts";
import { diskFaults } from "./disks.ts";
import { scratchFolder } from "./scratch.ts";

/** A conversion to disturb: what it makes is a file with its sidecar, or a folder. */
export interface Kind {
  readonly kind: string;
  readonly name: string;
  readonly recipe: string;
}

export const GGUF: Kind = { kind: "a GGUF and its sidecar", recipe: "lossless-4", name: "model.gguf" };
export const FOLDER: Kind = { kind: "a folder", recipe: "nvfp4", name: "model" };

/** What an undisturbed run makes, and how many steps and bytes it takes. */
export interface Undisturbed {
  readonly identity: string[];
  readonly steps: number;
  readonly bytes: number;
}

const linux = process.platform === "linux";
if (!linux) console.warn("SKIPPED: disk faults are injected through LD_PRELOAD, which this platform lacks");

/** A checkpoint, undisturbed runs of each kind to compare with, and a disk that misbehaves on demand. */
export function conversionGround(kinds: readonly Kind[]) {
  const folder = scratchFolder();
  const checkpoint = join(folder, "checkpoint");
  const references = new Map<string, Undisturbed>();
  const conversionOf = ({ recipe }: Kind): Omit<Conversion, "out"> => ({ source: checkpoint, recipe });

  beforeAll(async () => {
    // Enough experts for the journal to be synced several times.
    const dims = { ...TINY_DIMS, layerCount: 2, expertCount: 64 };
    await generateCheckpoint({ folder: checkpoint, dims, seed: 11, storage: "official" });
    for (const kind of kinds) {
      const conversion = { ...conversionOf(kind), out: join(folder, "reference", kind.name) };
      const count = join(folder, `${kind.name}.count`);
      if (linux)
        expect(withFaults({ FAULT_COUNT: count }, conversion)).toMatchObject({ code: 0, stderr: "" });
      else await convert(conversion);
      const [steps, bytes] = linux ? readFileSync(count, "utf8").split(" ").map(Number) : [0, 0];
      references.set(kind.name, { identity: identityOf(conversion.out), steps, bytes });
    }
  });

  const withFaults = (faults: Record<string, string | number>, conversion: Conversion): CliResult =>
    cli(commandOf(conversion), { env: diskFaults(folder, faults) });

  /** A place in a fresh folder. */
  let runs = 0;
  const fresh = (name: string): string => join(folder, `run-${runs++}`, name);
  const reference = ({ name }: Kind): Undisturbed => references.get(name) as Undisturbed;

  /** Whatever lies under a final name is one of these artefacts' files, whole. */
  function expectWhole(out: string, ...identities: (readonly string[])[]): void {
    const known = new Set(identities.flat().map((line) => line.split(" ").at(-1)));
    for (const hash of finals(out)) expect(known).toContain(hash);
  }

  async function expectResumed(kind: Kind, out: string, force = false): Promise<number> {
    const { resumed, status } = await convert({ ...conversionOf(kind), out, force });
    expect(["done", "up to date"]).toContain(status);
    expect(identityOf(out)).toEqual(reference(kind).identity);
    expect(left(out)).toEqual(complete(kind));
    expect(existsSync(journalOf(out))).toBe(false);
    return resumed;
  }

  return {
    folder,
    checkpoint,
    linux,
    conversionOf,
    reference,
    withFaults,
    fresh,
    expectWhole,
    expectResumed,
  };
}

export const left = (out: string): string[] =>
  existsSync(dirname(out)) ? readdirSync(dirname(out)).sort() : [];
export const complete = ({ name }: Kind): string[] =>
  name === "model" ? ["model", "model.v4kit"] : ["model.gguf", "model.v4kit", "mtp-model.gguf"];

const filesOf = (out: string): string[] =>
  out.endsWith(".gguf")
    ? [out, join(dirname(out), "mtp-model.gguf")]
    : existsSync(out)
      ? readdirSync(out).map((file) => join(out, file))
      : [];

/** Hashes of what lies under final names. */
export const finals = (out: string): string[] =>
  filesOf(out)
    .filter((path) => existsSync(path))
    .map(sha256);
