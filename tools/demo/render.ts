import { renderCensus } from "../inspect/render.ts";
import { renderTable } from "../lib/table.ts";
import { formatBytes, formatCount, formatDuration } from "../lib/units.ts";
import { renderQuantize } from "../quantize/render.ts";
import type { ComparedClass, DemoReport } from "./run-demo.ts";

/** The demo as a person reads it: each stage under its own command. */
export function renderDemo(report: DemoReport): string {
  const { census, quantize, foreign, compared, llama } = report;
  const [output] = quantize.outputs;
  const exact = compared.filter(({ unequal }) => unequal === 0).reduce((sum, { values }) => sum + values, 0);
  const total = compared.reduce((sum, { values }) => sum + values, 0);
  return [
    heading("v4kit inspect", "every tensor of the checkpoint, classified from headers alone"),
    renderCensus(census),
    heading("v4kit quantize --bits 4", "experts move bit for bit, dense matrices become q8_0"),
    renderQuantize(quantize),
    heading("re-read", "the file through readers that are not ours, every value against the source"),
    foreign.disagreements.length === 0
      ? `@huggingface/gguf agrees on all ${foreign.keys} keys and ${formatCount(foreign.tensors)} tensors`
      : `@huggingface/gguf DISAGREES on: ${foreign.disagreements.join(", ")}`,
    "",
    comparedTable(compared),
    "",
    `${formatCount(exact)} of ${formatCount(total)} values (${((100 * exact) / total).toFixed(1)} %) in classes kept bit for bit`,
    ...(llama
      ? [
          `${llama.release} loads it: next token as the reference at ${(100 * llama.top1Agreement).toFixed(1)} % of ${llama.positions} positions, ` +
            `perplexity ${llama.perplexity.toFixed(2)} (reference ${llama.referencePerplexity.toFixed(2)})`,
        ]
      : [
          "llama.cpp's libraries are not installed here, so it was not asked (V4KIT_LLAMA_LIBS names their folder)",
        ]),
    "",
    `${output.path}  ${formatBytes(output.byteLength)}  in ${formatDuration(report.elapsedMs)}`,
  ].join("\n");
}

const heading = (command: string, what: string): string => `\n━━ ${command} ━━ ${what}\n`;

function comparedTable(compared: readonly ComparedClass[]): string {
  return renderTable(
    [
      { title: "role" },
      { title: "from" },
      { title: "to" },
      { title: "tensors", align: "right" },
      { title: "values", align: "right" },
      { title: "relative error", align: "right" },
    ],
    [...compared]
      .sort((a, b) => b.values - a.values)
      .map((row) => [
        row.role,
        row.from,
        row.to,
        formatCount(row.tensors),
        formatCount(row.values),
        row.unequal === 0 ? "exact" : row.relativeRmse.toExponential(1),
      ]),
  );
}
