import { dataError, type V4Error } from "../lib/errors.ts";
import type { PlannedTask } from "./pieces.ts";
import type { RowsResult } from "./rows-task.ts";

/** The one-line error for a value that a worker found: which tensor, which element, what it should have been. */
export function faultError(
  { parts, sourceRow, task }: Pick<PlannedTask, "parts" | "sourceRow" | "task">,
  fault: NonNullable<RowsResult["fault"]>,
): V4Error {
  const { entry } = parts[fault.input];
  const { weight, scale, globalScale } = entry;
  const cols = task.inputs[fault.input].cols;
  const element = `row ${sourceRow + Math.floor(fault.index / cols)}, column ${fault.index % cols}`;
  const at = { file: weight.file, tensor: weight.name };
  switch (fault.kind) {
    case "nan-code":
      return dataError({
        what: `an FP8 code is NaN (7F or FF) at ${element}`,
        ...at,
        next: "the shard is damaged: fetch it again",
      });
    case "reserved-scale":
      return scale
        ? dataError({
            what: `an E8M0 scale is 255 (NaN) ${scalePlace(fault.index)}`,
            file: scale.tensor.file,
            tensor: scale.tensor.name,
            expected: "0 to 254",
            next: "the shard is damaged: fetch it again",
          })
        : dataError({
            what: `a block scale is reserved (NaN), block ${fault.index} of rows ${sourceRow} on`,
            ...at,
          });
    case "bad-scale":
      return dataError({
        what: `an F32 block scale is zero, negative or not finite ${scalePlace(fault.index)}`,
        file: scale?.tensor.file ?? weight.file,
        tensor: scale?.tensor.name ?? weight.name,
        expected: "a positive finite number",
      });
    case "nan-scale":
      return dataError({
        what: `a group scale is not finite ${scalePlace(fault.index)}`,
        file: scale?.tensor.file ?? weight.file,
        tensor: scale?.tensor.name ?? weight.name,
        next: "the shard is damaged: fetch it again",
      });
    case "bad-global-scale":
      return dataError({
        what: "the global scale, or its inverse, is zero, negative or not finite",
        file: globalScale?.tensor.file ?? weight.file,
        tensor: globalScale?.tensor.name ?? weight.name,
        expected: "a positive finite number",
      });
    case "non-finite":
      return dataError({
        what: `a value is not finite (NaN or infinity) at ${element}`,
        ...at,
        next: "the shard is damaged: fetch it again",
      });
    case "too-large":
      return dataError({
        what: `a value is too large for ${task.storage} at ${element}`,
        ...at,
        next: "choose a recipe that gives this tensor a wider format",
      });
    case "expert-id":
      return dataError({
        what: `a routing table names an expert that does not exist at ${element}`,
        ...at,
        expected: `0 to ${task.expertCount - 1}`,
      });
  }

  function scalePlace(index: number): string {
    const blockRow = Math.floor(sourceRow / (scale?.blockRows ?? 1));
    const perRow = Math.ceil(cols / (scale?.blockCols ?? 1));
    return `at scale row ${blockRow + Math.floor(index / perRow)}, column ${index % perRow}`;
  }
}
