import { renderCensus } from "../inspect/render.ts";
import { renderTable } from "../lib/table.ts";
import { formatBytes, formatCount, formatDuration } from "../lib/units.ts";
import { renderQuantize } from "../quantize/render.ts";
import { renderValidation } from "../validate/render.ts";
import type { NeedleRow } from "./needles.ts";
import type { DemoReport } from "./run-demo.ts";

/** The demo as a person reads it: each stage under its own command. */
export function renderDemo(report: DemoReport): string {
  const { census, quantize, foreign, validation, llama, needles } = report;
  const [output] = quantize.outputs;
  return [
    heading("v4kit inspect", "every tensor of the checkpoint, classified from headers alone"),
    renderCensus(census),
    heading("v4kit quantize --bits 4", "experts move bit for bit, dense matrices become q8_0"),
    renderQuantize(quantize),
    heading("re-read", "the file through readers that are not ours"),
    foreign.disagreements.length === 0
      ? `@huggingface/gguf agrees on all ${foreign.keys} keys and ${formatCount(foreign.tensors)} tensors`
      : `@huggingface/gguf DISAGREES on: ${foreign.disagreements.join(", ")}`,
    ...(llama
      ? [
          `${llama.release} loads it: next token as the reference at ${(100 * llama.top1Agreement).toFixed(1)} % of ${llama.positions} positions, ` +
            `perplexity ${llama.perplexity.toFixed(2)} (reference ${llama.referencePerplexity.toFixed(2)})`,
        ]
      : [
          "llama.cpp's libraries are not installed here, so it was not asked (V4KIT_LLAMA_LIBS names their folder)",
        ]),
    heading(
      "v4kit validate",
      "every tensor, every layer, the logits, against the checkpoint it was made from",
    ),
    renderValidation(validation),
    heading(
      "v4kit eval longctx --suite niah",
      "a fact hidden in a long text, asked for at its end: ever coarser artefacts",
    ),
    renderNeedles(needles),
    "",
    `${output.path}  ${formatBytes(output.byteLength)}  in ${formatDuration(report.elapsedMs)}`,
  ].join("\n");
}

function renderNeedles(rows: readonly NeedleRow[]): string {
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  const titles = [
    "size",
    ...rows[0].lengths.map(({ length }) => `${formatCount(length)} tokens`),
    "all",
    "log-probability",
  ];
  return renderTable(
    [{ title: "artefact" }, ...titles.map((title) => ({ title, align: "right" as const }))],
    rows.map(({ name, byteLength, lengths, score, logProb }) => [
      name,
      byteLength === undefined ? "" : formatBytes(byteLength),
      ...lengths.map((at) => percent(at.score)),
      percent(score),
      logProb.toFixed(3),
    ]),
  );
}

const heading = (command: string, what: string): string => `\n━━ ${command} ━━ ${what}\n`;
