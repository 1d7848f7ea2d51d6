/**
 * The iq2 and iq3 encoders against llama.cpp's: errors of ours over errors of theirs, and paired speed ratios.
 *
 *   npx jiti test/bench/codebook-quality.ts [--rows 1024] [--formats iq2_xxs,...] [--set avx2] [--csv FILE]
 *
 * Needs python3 and libggml-base.so of @node-llama-cpp/linux-x64 (its path in GGML_LIB). That library is a generic
 * x86-64 build, and refuses iq2_xxs and iq2_xs without importance. "w" is the sum of importance (y - x)^2, "u" the
 * same without importance. Both sides are timed in turn on the same rows, one thread; a ratio is a median.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { EncodableFormat } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { distributions, importances, makeImportance, makeRows } from "./codebook-rows.ts";

const LENGTH = 4096;
const BLOCK_BYTES = { iq2_xxs: 66, iq2_xs: 74, iq2_s: 82, iq3_xxs: 98, iq3_s: 110 } as const;
type Format = keyof typeof BLOCK_BYTES & EncodableFormat;

const { values: options } = parseArgs({
  options: {
    rows: { type: "string", default: "1024" },
    formats: { type: "string", default: Object.keys(BLOCK_BYTES).join() },
    set: { type: "string" },
    csv: { type: "string" },
    repeats: { type: "string", default: "9" },
  },
});
const rows = Number(options.rows);
const { kernels } = chooseKernels(options.set);
const scratch = mkdtempSync(join(tmpdir(), "codebook-"));
const file = (name: string) => join(scratch, name);

/** The peer process: sends a line, resolves to the answer. */
function startPeer() {
  const library = process.env.GGML_LIB;
  if (!library) throw new Error("GGML_LIB is not set: the path of libggml-base.so");
  const script = join(dirname(fileURLToPath(import.meta.url)), "ggml-peer.py");
  const child = spawn("python3", [script, library], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(line: string): Promise<number> {
      child.stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`the peer ended on: ${line}`);
      return Number(value);
    },
    end: () => child.stdin.end(),
  };
}

function errors(x: Float32Array, y: Float32Array, importance: Float32Array | undefined) {
  let weighted = 0;
  let plain = 0;
  for (let i = 0; i < x.length; i++) {
    const square = (y[i] - x[i]) ** 2;
    plain += square;
    weighted += importance ? importance[i % LENGTH] * square : square;
  }
  return { weighted, plain };
}

function encodeSeconds(format: Format, x: Float32Array, dst: Uint8Array, importance?: Float32Array): number {
  const started = performance.now();
  const result = kernels.encode(format, x, dst, { rowLength: LENGTH, ...(importance && { importance }) });
  if (result !== -1) throw new Error(`${format}: value ${result} refused`);
  return (performance.now() - started) / 1000;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1];
const peer = startPeer();
const table = [
  [
    "format",
    "rows",
    "importance",
    "error w",
    "error u",
    "M weights/s",
    "peer M weights/s",
    "speed ratio",
    "set",
  ].join(),
];
try {
  for (const distribution of distributions) {
    const x = makeRows(distribution, rows, LENGTH);
    writeFileSync(file("x"), new Uint8Array(x.buffer));
    for (const kind of importances) {
      const importance = makeImportance(kind, LENGTH);
      if (importance) writeFileSync(file("q"), new Uint8Array(importance.buffer));
      for (const format of options.formats.split(",") as Format[]) {
        if (kind === "none" && (format === "iq2_xxs" || format === "iq2_xs")) continue;
        const dst = new Uint8Array((x.length / 256) * BLOCK_BYTES[format]);
        const y = new Float32Array(x.length);
        encodeSeconds(format, x, dst, importance);
        kernels.decode(format, dst, y);
        const ours = errors(x, y, importance);
        const weights = importance ? file("q") : "-";
        await peer.ask(
          `encode ${format} ${rows} ${LENGTH} ${file("x")} ${weights} ${file("b")} ${file("y")}`,
        );
        const bytes = readFileSync(file("y"));
        const theirs = errors(x, new Float32Array(bytes.buffer, bytes.byteOffset, x.length), importance);

        const few = Math.min(rows, 2);
        const many = Math.min(rows, 32);
        const slice = x.subarray(0, many * LENGTH);
        const sliceDst = dst.subarray(0, (slice.length / 256) * BLOCK_BYTES[format]);
        const speeds: { ours: number; peer: number }[] = [];
        for (let i = 0; i < Number(options.repeats); i++) {
          const own = encodeSeconds(format, slice, sliceDst, importance) / many;
          const other =
            (await peer.ask(`encode ${format} ${few} ${LENGTH} ${file("x")} ${weights} - -`)) / few;
          speeds.push({ ours: LENGTH / own / 1e6, peer: LENGTH / other / 1e6 });
        }
        const row = [
          format,
          distribution,
          kind,
          (ours.weighted / theirs.weighted).toFixed(4),
          (ours.plain / theirs.plain).toFixed(4),
          median(speeds.map((s) => s.ours)).toFixed(1),
          median(speeds.map((s) => s.peer)).toFixed(2),
          median(speeds.map((s) => s.ours / s.peer)).toFixed(1),
          kernels.set,
        ].join();
        table.push(row);
        console.log(row);
      }
    }
  }
  if (options.csv) writeFileSync(options.csv, `${table.join("\n")}\n`);
} finally {
  peer.end();
  rmSync(scratch, { recursive: true, force: true });
}
