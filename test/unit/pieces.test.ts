import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import type { TensorSource } from "../../tools/checkpoint/source.ts";
import { sourceDigest } from "../../tools/checkpoint/source-identity.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TASK_BYTES } from "../../tools/lib/limits.ts";
import { type Census, takeCensus } from "../../tools/model/census.ts";
import { choosePlan } from "../../tools/plan/choose-plan.ts";
import { plannedTensors } from "../../tools/plan/output-plan.ts";
import { bytesOfRows, tensorBytes } from "../../tools/plan/storage.ts";
import { piecesOf, splitTasks } from "../../tools/quantize/pieces.ts";
import { DIMS } from "../support/attack.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const opened: { census: Census; source: TensorSource }[] = [];

beforeAll(async () => {
  for (const storage of ["official", "base"] as const) {
    const path = join(folder, storage);
    await generateCheckpoint({ folder: path, dims: { ...DIMS, vocabSize: 40_000 }, seed: 1, storage });
    const source = await openCheckpoint(path);
    opened.push({ census: takeCensus(source.config, source.tensors, source.location), source });
    await source.close();
  }
});

test.each(["lossless-4", "ds4-q2", "nvfp4", "int4-g128", "fp8", "mlx-4"])(
  "%s: pieces and their tasks cover every row of every tensor once, in bounded slabs",
  (recipe) => {
    let cut = 0;
    for (const { census, source } of opened) {
      const plan = choosePlan(census, { recipe, allowLarger: true }, sourceDigest(source));
      for (const { tensor } of plannedTensors(plan)) {
        let row = 0;
        const ends = tensor.outputs.map(() => 0);
        for (const piece of piecesOf(tensor)) {
          expect(piece.parts[0].rowStart).toBe(row);
          const widths = piece.parts.reduce((sum, { entry }) => sum + (entry.spec.shape.at(-1) as number), 0);
          expect(widths).toBe(tensor.rowLength);
          const tasks = [...splitTasks(piece, { expertCount: DIMS.expertCount, importance: true })];
          if (tasks.length > 1) cut++;
          for (const { task, outOffsets, slabBytes, sourceRow, reads } of tasks) {
            expect(sourceRow).toBe(row - piece.parts[0].rowStart);
            expect(slabBytes).toBeLessThanOrEqual(1.25 * TASK_BYTES + 4 * tensor.rowLength);
            for (const { byteOffset, byteLength, tensor: from } of reads)
              expect(byteOffset + byteLength).toBeLessThanOrEqual(from.byteLength);
            tensor.outputs.forEach((output, i) => {
              expect(outOffsets[i]).toBe(ends[i]);
              expect(task.outs[i].bytes).toBe(bytesOfRows(output, task.rows));
              ends[i] += task.outs[i].bytes;
            });
            row += task.rows;
          }
        }
        expect(row).toBe(tensor.rows);
        // Constants are no function of rows.
        tensor.outputs.forEach((output, i) => {
          expect(ends[i]).toBe(output.rowsPerUnit === 0 ? 0 : tensorBytes(output));
        });
      }
    }
    expect(cut).toBeGreaterThan(0);
  },
);
