import type { Kernels } from "../../kernels/kernels.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { PlannedTensor } from "../plan/output-plan.ts";
import { convertRows } from "./convert-rows.ts";
import { faultError } from "./faults.ts";
import { piecesOf, splitTasks } from "./pieces.ts";

/** Bytes of an output tensor from `offset` on. */
export interface EncodedPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Encodes one output tensor piece by piece in this thread; the bytes are those that a conversion writes. */
export async function* encodeTensor(
  source: TensorSource,
  kernels: Kernels,
  tensor: PlannedTensor,
): AsyncGenerator<EncodedPiece> {
  const options = { expertCount: source.config.expertCount, importance: false };
  for (const piece of piecesOf(tensor))
    for (const planned of splitTasks(piece, options)) {
      const slab = new Uint8Array(planned.slabBytes);
      for (const { tensor: stored, byteOffset, byteLength, at } of planned.reads)
        await source.read(stored, byteOffset, slab.subarray(at, at + byteLength));
      const { fault } = convertRows(kernels, slab, planned.task);
      if (fault) throw faultError(planned, fault);
      const [{ at, bytes }] = planned.task.outs;
      yield { offset: planned.outOffsets[0], bytes: slab.subarray(at, at + bytes) };
    }
}
