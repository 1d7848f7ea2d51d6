import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { dataError, systemError } from "../lib/errors.ts";

/** `manifest.json` in the folder beside an artefact: what the artefact is, what it was made of, what was proved of it. */

/** Folder of the manifest and the journal of an artefact: `X.v4kit` for `X.gguf`, a split set or the folder `X`. */
export const sidecarOf = (out: string): string =>
  `${out.replace(/(-00001-of-\d{5})?\.gguf$/, "").replace(/[/\\]+$/, "")}.v4kit`;

/**
 * One class of tensors whose values are promised to be those of the source: what was scanned and compared, value by
 * value, when it was written.
 */
export interface CertifiedClass {
  readonly role: string;
  readonly from: string;
  readonly to: string;
  readonly tensors: number;
  readonly values: number;
  /** Values whose decoded output equals the decoded source. */
  readonly verified: number;
  /** Values that the format could not hold. A certificate without any says lossless. */
  readonly changed: number;
  /** Least and greatest E8M0 scale byte of the source; none of them is the reserved 255, which stops a conversion. */
  readonly scales?: readonly [number, number];
}

/** A stored tensor as a manifest lists it. */
export interface ManifestTensor {
  readonly name: string;
  readonly file: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly crc32: string;
}

/**
 * What an artefact is and what it was made of. Everything but `provenance` and `run` follows from the inputs alone:
 * `digest` is over it, and the same conversion gives the same digest anywhere.
 */
export interface Manifest {
  readonly manifest: 1;
  readonly v4kit: string;
  readonly model: string;
  readonly format: string;
  /** The recipe whole: its name, version and title, and the rules. */
  readonly recipe: {
    readonly name: string;
    readonly version: number;
    readonly title: string;
    readonly [key: string]: unknown;
  };
  readonly mtp: string;
  readonly plan: string;
  readonly encoders: readonly string[];
  readonly importance: {
    readonly mode: string;
    readonly sha256?: string;
    readonly datasets?: readonly string[];
    /** Matrices that the file holds but no token reached: the energy of the weights stood in. */
    readonly unmeasured: number;
  };
  readonly source: { readonly digest: string; readonly tensors: number; readonly byteLength: number };
  readonly dispositions: Readonly<Record<string, number>>;
  readonly dropped: readonly string[];
  readonly files: readonly { readonly name: string; readonly byteLength: number }[];
  readonly tensors: readonly ManifestTensor[];
  readonly certificate: readonly CertifiedClass[];
  readonly digest: string;
  /** Where the source came from, as far as its place tells. */
  readonly provenance: {
    readonly revision?: string;
    readonly files: readonly {
      readonly name: string;
      readonly byteLength: number;
      readonly sha256?: string;
    }[];
    /** Set where tensors were read by ranges from elsewhere: what that proves of the bytes, and what it does not. */
    readonly streamed?: {
      readonly commit?: string;
      readonly verified: readonly string[];
      readonly unverified: readonly string[];
    };
  };
  readonly run: Readonly<Record<string, string | number>>;
}

/** Digest of all that follows from the inputs. */
export const digestOf = (facts: object): string =>
  createHash("sha256").update(JSON.stringify(facts)).digest("hex");

export const manifestPath = (sidecar: string): string => join(sidecar, "manifest.json");

/** Reads a manifest and checks that its digest is that of its content; undefined where there is none. */
export async function readManifest(sidecar: string): Promise<Manifest | undefined> {
  const path = manifestPath(sidecar);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw systemError(error, path);
  }
  let manifest: Manifest;
  try {
    manifest = (JSON.parse(text) ?? {}) as Manifest;
  } catch {
    throw dataError({ what: "the manifest is not JSON", file: path });
  }
  const { digest, provenance: _p, run: _r, ...facts } = manifest;
  if (digest !== digestOf(facts))
    throw dataError({
      what: "the manifest does not fit its own digest",
      file: path,
      expected: digest,
      found: digestOf(facts),
      next: "it was edited or damaged",
    });
  return manifest;
}
