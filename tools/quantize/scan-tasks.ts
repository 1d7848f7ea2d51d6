import { rowCount } from "../checkpoint/read-rows.ts";
import type { CensusEntry } from "../model/census.ts";
import type { PlannedPart } from "../plan/output-plan.ts";
import { type Piece, planInput, type SlabRead, splitTasks } from "./pieces.ts";
import type { RowsInput, RowsTask } from "./rows-task.ts";
import type { ScanTask } from "./scan-rows.ts";

/** A pass over a whole source tensor. */
export interface Scan {
  readonly entry: CensusEntry;
  readonly columnStart: number;
  readonly scan: ScanTask["scan"];
  readonly rowLength: number;
}

/** Some rows of a pass, with their reads. The sums of an energy scan lie at the beginning of the slab. */
export interface PlannedScan {
  readonly input: RowsInput;
  readonly reads: readonly SlabRead[];
  readonly rows: number;
  /** What a fault is located by. */
  readonly sourceRow: number;
  readonly parts: readonly PlannedPart[];
  readonly task: RowsTask;
}

/** Cuts a pass into tasks that a slab holds. */
export function* splitScan({ entry, columnStart, scan, rowLength }: Scan): Generator<PlannedScan> {
  const rows = rowCount(entry);
  const piece: Piece = {
    tensor: { name: entry.spec.name, storage: "source", outputs: [], rows, rowLength, parts: [] },
    parts: [{ entry, rowStart: 0, columnStart }],
    rows,
  };
  const sumsBytes = scan === "energy" ? 8 * rowLength : 0;
  for (const { task, sourceRow, parts } of splitTasks(piece, { expertCount: 0, importance: false })) {
    const reads: SlabRead[] = [];
    let end = Math.ceil(sumsBytes / 64) * 64;
    const reserve = (byteLength: number): number => {
      const at = end;
      end = Math.ceil((at + byteLength) / 64) * 64;
      return at;
    };
    const input = planInput({ entry, columnStart, row: sourceRow, rows: task.rows, reads, reserve });
    yield { input, reads, rows: task.rows, sourceRow, parts, task: { ...task, inputs: [input] } };
  }
}
