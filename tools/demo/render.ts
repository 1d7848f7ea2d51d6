import { renderCensus } from "../inspect/render.ts";
import { formatBytes, formatCount, formatDuration } from "../lib/units.ts";
import { renderQuantize } from "../quantize/render.ts";
import { renderValidation } from "../validate/render.ts";
import type { DemoReport } from "./run-demo.ts";

/** The demo as a person reads it: each stage under its own command. */
export function renderDemo(report: DemoReport): string {
  const { census, quantize, foreign, validation, llama } = report;
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
    "",
    `${output.path}  ${formatBytes(output.byteLength)}  in ${formatDuration(report.elapsedMs)}`,
  ].join("\n");
}

const heading = (command: string, what: string): string => `\n━━ ${command} ━━ ${what}\n`;
