import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { writeFileAtomic } from "../lib/disk.ts";
import { V4Error } from "../lib/errors.ts";
import { buildDriver } from "./llama-libraries.ts";

export interface PeerRequest {
  /** ggml's number of the format. */
  readonly ggmlType: number;
  readonly rows: number;
  readonly cols: number;
}

/** llama.cpp's encoders in a process of their own. */
export interface GgmlEncoder {
  /** Rows to encode from now on, and importance of their columns. */
  load(values: Float32Array, importance: Float32Array | undefined): Promise<void>;
  /** Seconds that encoding took. */
  time(request: PeerRequest): Promise<number>;
  /** The encoded blocks. */
  encode(request: PeerRequest): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Starts the peer on llama.cpp's base library (a generic x86-64 build). */
export async function startGgmlEncoder(libraries: string): Promise<GgmlEncoder> {
  const folder = await mkdtemp(join(tmpdir(), "v4kit-peer-"));
  const program = join(folder, "ggml-encode");
  await buildDriver("ggml-encode", program, ["-ldl"]);
  const child = spawn(program, [join(libraries, "libggml-base.so")], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const blocks = join(folder, "blocks");
  let serial = 0;
  let x = "";
  let importanceFile = "-";
  const bytesOf = (values: Float32Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const ask = async ({ ggmlType, rows, cols }: PeerRequest, out: string): Promise<number> => {
    child.stdin.write(`${ggmlType} ${rows} ${cols} ${x} ${importanceFile} ${out}\n`);
    const { value, done } = await answers.next();
    if (done)
      throw new V4Error("unavailable", { what: "llama.cpp's encoder ended unexpectedly", file: libraries });
    return Number(value);
  };
  return {
    async load(values, importance) {
      for (const old of [x, importanceFile]) if (old !== "" && old !== "-") await rm(old);
      serial++;
      x = join(folder, `x${serial}`);
      await writeFileAtomic(x, bytesOf(values));
      importanceFile = importance ? join(folder, `w${serial}`) : "-";
      if (importance) await writeFileAtomic(importanceFile, bytesOf(importance));
    },
    time: (request) => ask(request, "-"),
    async encode(request) {
      await ask(request, blocks);
      return readFile(blocks);
    },
    async close() {
      child.stdin.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
