import type { LongContextResult } from "../evaluate/long-context.ts";
import { renderLongContext } from "../evaluate/render-long-context.ts";
import { type CommonArgs, printResult } from "./output.ts";

/** Prints a run as far as it came, and what ended it early. */
export function printEval(args: CommonArgs, result: LongContextResult | undefined): void {
  if (!result) return;
  const { stopped, ...measured } = result;
  const document = stopped
    ? { ...measured, stopped: { kind: stopped.kind, message: stopped.message } }
    : measured;
  printResult(args, document, () => renderLongContext(result, process.stdout.isTTY === true));
  if (!stopped) return;
  process.stderr.write(`v4kit: ${stopped.message}\n`);
  process.exitCode = stopped.exitCode;
}
