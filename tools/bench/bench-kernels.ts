import { type DecodableFormat, type EncodableFormat, type Kernels, OK } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { scalar } from "../../kernels/scalar/index.ts";
import { byteLengthOf, DTYPES, traitsOf } from "../formats/dtypes.ts";
import { type GgmlEncoder, startGgmlEncoder } from "../peers/ggml-encode.ts";
import { findLlamaLibraries } from "../peers/llama-libraries.ts";
import { CHECKPOINT_STREAMS, COLS, repeatBytes, type Stream } from "./checkpoint-streams.ts";
import { type Contender, paired, secondsOf } from "./measure.ts";
import { distributions, type Importance, makeImportance, makeRows } from "./rows.ts";
import { trainedRows } from "./trained-rows.ts";

/** Encoders are timed on rows that stay in the cache; ours and the twin and the peer each on as many as they can do in some ms. */
const ROWS = { ours: 32, twin: 2, peer: 8 };
/** Decoders and copies work on more memory than any last-level cache holds. */
const STREAM_VALUES = 1 << 26;
const TWIN_VALUES = 1 << 20;

export interface KernelBenchOptions {
  /** Formats to measure; all when empty. */
  readonly formats: readonly string[];
  readonly repeats: number;
  /** Rows per distribution on which errors are compared with the peer's; 0 leaves that out. */
  readonly errorRows: number;
  readonly onRow?: (row: KernelBenchRow) => void;
}

/** One measurement. Ratios are medians of paired runs on the same data, one thread. */
export interface KernelBenchRow {
  readonly operation: "encode" | "decode" | "repack";
  readonly format: string;
  readonly importance: Importance;
  /** The distribution of an error comparison; speed is measured on normal rows. */
  readonly distribution: string;
  readonly set: string;
  /** Millions of weights per second. */
  readonly megaWeightsPerSecond?: number;
  /** Bytes read and written, in GB per second. */
  readonly gigabytesPerSecond?: number;
  readonly timesTwin?: number;
  /** Bytes per second as a part of a memory copy's. */
  readonly ofCopy?: number;
  /** Speed and sum of importance (y - x)^2 against llama.cpp's encoder of the same format. */
  readonly timesPeer?: number;
  readonly errorOfPeer?: number;
}

/** Measures every kernel against its TypeScript twin, a memory copy and, where it is installed, llama.cpp. */
export async function benchKernels(options: KernelBenchOptions): Promise<KernelBenchRow[]> {
  const { kernels } = chooseKernels();
  const libraries = findLlamaLibraries();
  const peer = libraries ? await startGgmlEncoder(libraries) : undefined;
  const rows: KernelBenchRow[] = [];
  const add = (row: KernelBenchRow): void => {
    rows.push(row);
    options.onRow?.(row);
  };
  const wanted = (format: string): boolean =>
    options.formats.length === 0 || options.formats.includes(format);
  try {
    for (const { name } of DTYPES.values()) {
      if (!isKernelFormat(name) || !wanted(name)) continue;
      add(await benchStream(kernels, decodeStream(name), options.repeats));
      if (isEncodable(name) && MEMORY_BOUND.includes(name))
        add(await benchStream(kernels, encodeStream(name), options.repeats));
      if (isEncodable(name))
        for (const importance of ["none", "chi2"] as const)
          add(await benchEncode(kernels, name, importance, peer, options.repeats));
      if (isEncodable(name) && peer && options.errorRows > 0)
        for await (const row of compareErrors(kernels, name, peer, options.errorRows)) add(row);
    }
    for (const stream of CHECKPOINT_STREAMS)
      if (wanted(stream.format.split(" ")[0])) add(await benchStream(kernels, stream, options.repeats));
    return rows;
  } finally {
    await peer?.close();
  }
}

const MEMORY_BOUND: readonly string[] = ["f16", "bf16", "q8_0"];
const DECODE_ONLY = ["q4_1", "q5_0", "q5_1"];
const isKernelFormat = (name: string): name is DecodableFormat => {
  const traits = traitsOf(name as DecodableFormat);
  return traits.blockLength > 1 || ["f32", "f16", "bf16"].includes(name);
};
const isEncodable = (name: DecodableFormat): name is EncodableFormat => !DECODE_ONLY.includes(name);

function decodeStream(format: DecodableFormat): Stream {
  return {
    operation: "decode",
    format,
    bytesPerValue: byteLengthOf(format, 256) / 256 + 4,
    prepare(values) {
      const src = repeatBytes(encodedSample(format), byteLengthOf(format, values));
      const dst = new Float32Array(values);
      return (kernels, count) => {
        kernels.decode(format, src.subarray(0, byteLengthOf(format, count)), dst.subarray(0, count));
      };
    },
  };
}

/** Encoding of formats so simple that memory should be the limit. */
function encodeStream(format: EncodableFormat): Stream {
  return {
    operation: "encode",
    format: `${format} (memory)`,
    bytesPerValue: byteLengthOf(format, 256) / 256 + 4,
    prepare(values) {
      const rows = makeRows("normal", ROWS.ours, COLS);
      const src = new Float32Array(values);
      for (let at = 0; at < values; at += rows.length) src.set(rows, at);
      const dst = new Uint8Array(byteLengthOf(format, values));
      return (kernels, count) => {
        kernels.encode(format, src.subarray(0, count), dst.subarray(0, byteLengthOf(format, count)), {
          rowLength: COLS,
        });
      };
    },
  };
}

/** Against the twin (on fewer values) and a memory copy that moves as many bytes. */
async function benchStream(kernels: Kernels, stream: Stream, repeats: number): Promise<KernelBenchRow> {
  const run = stream.prepare(STREAM_VALUES);
  const bytes = Math.floor(STREAM_VALUES * stream.bytesPerValue);
  // A copy reads every byte and writes it, so it moves half as many.
  // Filled, because untouched memory is one page of zeros that never leaves the cache.
  const copyFrom = new Uint8Array(bytes / 2).fill(1);
  const copyTo = new Uint8Array(bytes / 2);
  const contenders: Contender[] = [
    () => secondsOf(() => run(kernels, STREAM_VALUES)),
    () => secondsOf(() => copyTo.set(copyFrom)),
    () => secondsOf(() => run(scalar, TWIN_VALUES)),
  ];
  for (const contender of contenders) await contender();
  const [ours, copy, twin] = await paired(contenders, repeats);
  return {
    operation: stream.operation,
    format: stream.format,
    importance: "none",
    distribution: "normal",
    set: kernels.set,
    megaWeightsPerSecond: STREAM_VALUES / ours.seconds / 1e6,
    gigabytesPerSecond: bytes / ours.seconds / 1e9,
    timesTwin: (twin.ratio * STREAM_VALUES) / TWIN_VALUES,
    ofCopy: copy.ratio,
  };
}

/** Valid blocks to decode: encoded rows where we encode the format, else bytes below any reserved code. */
function encodedSample(format: DecodableFormat): Uint8Array {
  const bytes = new Uint8Array(byteLengthOf(format, 32 * COLS));
  if (!isEncodable(format)) return bytes.map((_, i) => (i * 37) & 63);
  const { kernels } = chooseKernels();
  kernels.encode(format, makeRows("normal", 32, COLS), bytes, { rowLength: COLS });
  return bytes;
}

async function benchEncode(
  kernels: Kernels,
  format: EncodableFormat,
  kind: Importance,
  peer: GgmlEncoder | undefined,
  repeats: number,
): Promise<KernelBenchRow> {
  const x = makeRows("normal", ROWS.ours, COLS);
  const importance = makeImportance(kind, COLS);
  const options = { rowLength: COLS, ...(importance && { importance }) };
  const dst = new Uint8Array(byteLengthOf(format, x.length));
  const encode = (set: Kernels, count: number): number =>
    secondsOf(() => {
      const bad = set.encode(
        format,
        x.subarray(0, count * COLS),
        dst.subarray(0, byteLengthOf(format, count * COLS)),
        options,
      );
      if (bad !== OK) throw new Error(`${format}: value ${bad} refused`);
    }) / count;
  const ggmlType = traitsOf(format).ggmlType as number;
  const peerImportance =
    importance ?? (PEER_NEEDS_IMPORTANCE.includes(format) ? new Float32Array(COLS).fill(1) : undefined);
  await peer?.load(x, peerImportance);
  const contenders: Contender[] = [() => encode(kernels, ROWS.ours), () => encode(scalar, ROWS.twin)];
  if (peer && PEER_ENCODES(format))
    contenders.push(async () => (await peer.time({ ggmlType, rows: ROWS.peer, cols: COLS })) / ROWS.peer);
  encode(kernels, ROWS.ours);
  const [ours, twin, theirs] = await paired(contenders, repeats);
  const bytesPerRow = 4 * COLS + byteLengthOf(format, COLS);
  return {
    operation: "encode",
    format,
    importance: kind,
    distribution: "normal",
    set: kernels.set,
    megaWeightsPerSecond: COLS / ours.seconds / 1e6,
    gigabytesPerSecond: bytesPerRow / ours.seconds / 1e9,
    timesTwin: twin.ratio,
    ...(theirs && { timesPeer: theirs.ratio }),
  };
}

/** Formats that llama.cpp refuses to encode without importance; it is given ones, which mean the same. */
const PEER_NEEDS_IMPORTANCE: readonly string[] = ["iq2_xxs", "iq2_xs"];
const PEER_ENCODES = (format: string): boolean => !["f32", "f16", "bf16"].includes(format);

/** Sum of importance (y - x)^2 of ours over llama.cpp's, on rows of every distribution. */
async function* compareErrors(
  kernels: Kernels,
  format: EncodableFormat,
  peer: GgmlEncoder,
  rows: number,
): AsyncGenerator<KernelBenchRow> {
  if (!PEER_ENCODES(format)) return;
  for (const distribution of [...distributions, "trained"] as const) {
    const x = distribution === "trained" ? await trainedRows(rows, COLS) : makeRows(distribution, rows, COLS);
    const request = { ggmlType: traitsOf(format).ggmlType as number, rows: x.length / COLS, cols: COLS };
    for (const kind of ["none", "chi2", "lognormal"] as const) {
      const importance = makeImportance(kind, COLS);
      await peer.load(
        x,
        importance ?? (PEER_NEEDS_IMPORTANCE.includes(format) ? new Float32Array(COLS).fill(1) : undefined),
      );
      const dst = new Uint8Array(byteLengthOf(format, x.length));
      kernels.encode(format, x, dst, { rowLength: COLS, ...(importance && { importance }) });
      const theirs = await peer.encode(request);
      yield {
        operation: "encode",
        format,
        importance: kind,
        distribution,
        set: kernels.set,
        errorOfPeer: errorRatio(
          errorOf(kernels, format, x, dst, importance),
          errorOf(kernels, format, x, theirs, importance),
        ),
      };
    }
  }
}

/** 1 where both are exact. */
const errorRatio = (ours: number, theirs: number): number => (ours === theirs ? 1 : ours / theirs);

function errorOf(
  kernels: Kernels,
  format: EncodableFormat,
  x: Float32Array,
  blocks: Uint8Array,
  importance: Float32Array | undefined,
): number {
  const y = new Float32Array(x.length);
  kernels.decode(format, blocks, y);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (importance ? importance[i % COLS] : 1) * (y[i] - x[i]) ** 2;
  return sum;
}
