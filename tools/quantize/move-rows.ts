import type { Kernels } from "../../kernels/kernels.ts";
import type { RowsFault, StoredRows } from "../checkpoint/decode-rows.ts";
import { F8_BLOCK, type Storage } from "../plan/storage.ts";
import { packFp4 } from "./mxfp4-layout.ts";
import type { RowsTask } from "./rows-task.ts";

/** A move's outcome: the first value that may not be there, and how many values the new form could not keep. */
export interface Moved {
  readonly fault?: RowsFault;
  readonly changed: number;
}

type Move = (kernels: Kernels, rows: StoredRows, outs: readonly Uint8Array[], task: RowsTask) => Moved;

const reserved = (index: number): Moved =>
  index < 0 ? { changed: 0 } : { fault: { kind: "reserved-scale", index }, changed: 0 };

const counted = (move: (changed: Uint32Array) => number): Moved => {
  const changed = new Uint32Array(1);
  const { fault } = reserved(move(changed));
  return { changed: changed[0], ...(fault && { fault }) };
};

const copy: Move = (_kernels, { weight, scale }, outs) => {
  outs[0].set(weight);
  if (scale) outs[1].set(scale.bytes);
  return { changed: 0 };
};

const scaleBytes = ({ scale }: StoredRows): Uint8Array => (scale as NonNullable<typeof scale>).bytes;

/** FP4 under FP8 blocks: codes of 4 bits become codes of 8, exactly where the scales of a block lie close enough. */
const fp4ToF8: Move = (kernels, rows, [codes, scales], { storage }) =>
  counted((changed) =>
    kernels.fp4ToF8(
      rows.weight,
      scaleBytes(rows),
      { cols: rows.cols, blockRows: F8_BLOCK, blockCols: F8_BLOCK, scales: f8Scales(storage, scales) },
      codes,
      changed,
    ),
  );

export const f8Scales = (storage: Storage, bytes: Uint8Array): Uint8Array | Float32Array =>
  storage === "fp8_f32" ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : bytes;

/** The same codes; E8M0 scales become the F32 powers of two that they mean. */
const fp8ToF32Scales: Move = (_kernels, { weight, scale }, [codes, scales]) => {
  codes.set(weight);
  const bytes = (scale as NonNullable<typeof scale>).bytes;
  if (scale?.kind === "f32") {
    scales.set(bytes);
    return { changed: 0 };
  }
  const wide = new Float32Array(scales.buffer, scales.byteOffset, scales.length / 4);
  for (let i = 0; i < bytes.length; i++) wide[i] = 2 ** (bytes[i] - 127);
  return { changed: 0 };
};

/** Moves by `source>storage`: no value passes through f32, so nothing is rounded. */
const MOVES: Readonly<Record<string, Move>> = {
  "fp4>mxfp4": (kernels, rows, [out]) => reserved(kernels.repackMxfp4(rows.weight, scaleBytes(rows), out)),
  "fp4>mlx_mxfp4": copy,
  "fp4>fp4": copy,
  "mxfp4>fp4": (_kernels, { weight }, [codes, scales]) => packFp4(weight, codes, scales),
  "mxfp4>mlx_mxfp4": (_kernels, { weight }, [codes, scales]) => packFp4(weight, codes, scales),
  "fp4>nvfp4_groups": (kernels, rows, [codes, scales], { global }) =>
    counted((changed) =>
      kernels.fp4ToNvfp4(rows.weight, scaleBytes(rows), Math.log2(global as number), codes, scales, changed),
    ),
  "fp4>fp8": fp4ToF8,
  "fp4>fp8_f32": fp4ToF8,
  "fp8>fp8_f32": fp8ToF32Scales,
  "fp8>fp8": copy,
};

/** The move that serves a task, or undefined where values must be decoded and encoded. */
export function moveFor(
  task: RowsTask,
): { readonly move: Move; readonly path: "copied" | "moved" } | undefined {
  const { inputs, storage } = task;
  if (inputs.length !== 1) return undefined;
  const [{ format, scale }] = inputs;
  if (storage === "source") return { move: copy, path: "copied" };
  if (
    format === storage &&
    !scale &&
    format !== "f32" &&
    format !== "f16" &&
    format !== "bf16" &&
    format !== "i32"
  )
    return { move: copy, path: "copied" };
  const move = MOVES[`${format}>${storage}`];
  if (!move || !fits(format, storage, scale)) return undefined;
  return { move, path: move === copy ? "copied" : "moved" };
}

/** A move keeps the source's groups, so they must be those of the storage. */
function fits(format: string, storage: Storage, scale: RowsTask["inputs"][number]["scale"]): boolean {
  if (format === "mxfp4") return true;
  if (!scale) return false;
  if (format === "fp8")
    return (
      scale.blockRows === F8_BLOCK &&
      scale.blockCols === F8_BLOCK &&
      (storage === "fp8_f32" || scale.kind === "e8m0")
    );
  if (storage === "fp8" || storage === "fp8_f32") return F8_BLOCK % scale.blockCols === 0;
  return storage === "nvfp4_groups" ? scale.blockCols % 16 === 0 : scale.blockCols === 32;
}
