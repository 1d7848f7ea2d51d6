import type { LongContextResult } from "../evaluate/long-context.ts";
import { renderLongContext } from "../evaluate/render-long-context.ts";
import { EXIT } from "../lib/errors.ts";
import { type CommonArgs, printResult } from "./output.ts";

/** Prints a run as far as it came, and what ended it early. */
export function printEval(args: CommonArgs, result: LongContextResult | undefined): void {
  if (!result) return;
  const { stopped, ...measured } = result;
  const document = stopped
    ? { ...measured, stopped: { kind: stopped.kind, message: stopped.message } }
    : measured;
  printResult(args, document, () => renderLongContext(result, process.stdout.isTTY === true));
  if (!stopped) {
    process.exitCode = exitOf(measured);
    return;
  }
  process.stderr.write(`v4kit: ${stopped.message}\n`);
  process.exitCode = stopped.exitCode;
}

/** A run without a single answer measured nothing, which must not look like success in a script. */
function exitOf({ report: { summary } }: LongContextResult): number {
  const { samples, score, statuses } = summary;
  if (samples === 0 || score !== null) return EXIT.done;
  process.stderr.write("v4kit: no sample has an answer (--retry failed,infra_error asks again)\n");
  return statuses.failed + statuses.infra_error > 0 ? EXIT.temporary : EXIT.inconclusiveVerdict;
}
