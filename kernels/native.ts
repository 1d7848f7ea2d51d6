import { createRequire } from "node:module";
import type { DecodableFormat, KernelSetName, Kernels } from "./kernels.ts";
import { type ForwardAddon, forwardOf } from "./native-forward.ts";
import { type SafetensorsAddon, safetensorsOf } from "./native-safetensors.ts";
import { normaliseImportance } from "./scalar/importance.ts";
import { scalar } from "./scalar/index.ts";

/** What the compiled addon exports; `set` and `format` are indices into its own lists. See kernels/c/addon.c. */
interface Addon extends ForwardAddon, SafetensorsAddon {
  sets(): readonly { readonly name: KernelSetName; readonly runs: boolean }[];
  formats(): readonly { readonly name: DecodableFormat; readonly encodes: boolean }[];
  cpuFeatures(): Readonly<Record<"avx2" | "avx512" | "neon", boolean>>;
  fadviseDontNeed(fd: number, offset: number, length: number): number;
  decode(set: number, format: number, src: Uint8Array, dst: Float32Array): number;
  encode(
    set: number,
    format: number,
    src: Float32Array,
    dst: Uint8Array,
    rowLength: number,
    importance: Float32Array | null,
  ): number;
  decodeF8(
    set: number,
    codes: Uint8Array,
    cols: number,
    scales: Uint8Array | Float32Array,
    blockRows: number,
    blockCols: number,
    firstRow: number,
    dst: Float32Array,
  ): number;
  decodeFp4(set: number, codes: Uint8Array, scales: Uint8Array, dst: Float32Array): number;
  repackMxfp4(set: number, codes: Uint8Array, scales: Uint8Array, dst: Uint8Array): number;
  matchFp4(set: number, codes: Uint8Array, scales: Uint8Array, blocks: Uint8Array, span: Uint8Array): number;
  /** Writes the fields of a Comparison, in order, to `sums`. */
  compare(set: number, x: Float32Array, y: Float32Array, sums: Float64Array): void;
  columnEnergy(set: number, src: Float32Array, sums: Float64Array): void;
}

/** The compiled kernel sets that this machine runs, fastest last, and the two system calls that come with them. */
export interface NativeKernels {
  readonly sets: readonly Kernels[];
  readonly cpuFeatures: Readonly<Record<"avx2" | "avx512" | "neon", boolean>>;
  /** Drops a range of a file from the page cache. Returns 0 or errno. */
  fadviseDontNeed(fd: number, offset: number, length: number): number;
}

/** Loads an addon file; throws what the loader throws if it is absent or made for another machine. */
export function loadNative(path: string, threads: number): NativeKernels {
  const addon: Addon = createRequire(import.meta.url)(path);
  const sets = addon
    .sets()
    .flatMap(({ name, runs }, index) => (runs ? [kernelsOf(addon, { name, index, threads })] : []));
  return { sets, cpuFeatures: addon.cpuFeatures(), fadviseDontNeed: addon.fadviseDontNeed };
}

/** One compiled set. A format without a compiled kernel runs its twin: the bytes are the same. */
function kernelsOf(
  addon: Addon,
  { name: set, index, threads }: { name: KernelSetName; index: number; threads: number },
): Kernels {
  const decoders = new Map<string, number>();
  const encoders = new Map<string, number>();
  addon.formats().forEach(({ name, encodes }, format) => {
    decoders.set(name, format);
    if (encodes) encoders.set(name, format);
  });
  return {
    set,
    decode(format, src, dst) {
      const at = decoders.get(format);
      return at === undefined ? scalar.decode(format, src, dst) : addon.decode(index, at, src, dst);
    },
    encode(format, src, dst, options) {
      const at = encoders.get(format);
      if (at === undefined) return scalar.encode(format, src, dst, options);
      const importance = options.importance ? normaliseImportance(options.importance) : null;
      return addon.encode(index, at, src, dst, options.rowLength, importance);
    },
    decodeF8: (codes, cols, { values, blockRows, blockCols, firstRow }, dst) =>
      addon.decodeF8(index, codes, cols, values, blockRows, blockCols, firstRow, dst),
    decodeFp4: (codes, scales, dst) => addon.decodeFp4(index, codes, scales, dst),
    repackMxfp4: (codes, scales, dst) => addon.repackMxfp4(index, codes, scales, dst),
    matchFp4: (codes, scales, blocks, span) => addon.matchFp4(index, codes, scales, blocks, span),
    compare(x, y) {
      const sums = new Float64Array(6);
      addon.compare(index, x, y, sums);
      const [unequal, squaredError, squaredReference, squaredCandidate, product, maxDifference] = sums;
      return { unequal, squaredError, squaredReference, squaredCandidate, product, maxDifference };
    },
    columnEnergy: (src, sums) => addon.columnEnergy(index, src, sums),
    ...forwardOf(addon, index, decoders, threads),
    ...safetensorsOf(addon, index),
  };
}
