import { dataError } from "../lib/errors.ts";
import type { RecipeBenchRow } from "./recipes.ts";

const BEGIN = "<!-- v4kit bench recipes: begin -->";
const END = "<!-- v4kit bench recipes: end -->";

const TITLES = [
  "recipe",
  "written as",
  "importance",
  "MB",
  "bits per weight",
  "perplexity",
  "mean KL to the source",
  "top-1",
  "needles",
];

/** The measurements as a Markdown table, with what they were taken on. */
export function recipesMarkdown(rows: readonly RecipeBenchRow[]): string {
  const measured = rows.find((row) => row.quality)?.quality;
  const lines = [TITLES, TITLES.map((_, i) => (i < 3 ? "---" : "---:")), ...rows.map(cellsOf)];
  const table = lines.map((cells) => `| ${cells.join(" | ")} |`);
  const unread = rows.filter((row) => row.unread !== undefined);
  return [
    ...table,
    "",
    `${measured?.logits.positions ?? 0} tokens of held-out text, ${measured?.needles ?? 0} prompts with one needle; ± is one standard error over positions.`,
    ...unread.map((row) => `Not run: ${row.recipe}: ${row.unread}.`),
  ].join("\n");
}

function cellsOf(row: RecipeBenchRow): string[] {
  const { quality } = row;
  const size = [(row.byteLength / 1e6).toFixed(2), row.bitsPerWeight.toFixed(2)];
  const first = [row.recipe ?? "(source)", row.recipe ? row.format : "", row.recipe ? row.importance : ""];
  if (!quality) return [...first, ...size, "", "", "", ""];
  const { perplexity, kl, top1 } = quality.logits;
  return [
    ...first,
    ...size,
    perplexity.candidate.mean.toFixed(3),
    row.recipe ? `${kl.mean.toExponential(2)} ± ${kl.error.toExponential(0)}` : "0",
    `${(100 * top1.mean).toFixed(2)} %`,
    `${quality.needlesFound}/${quality.needles}`,
  ];
}

/** A text with the table between its markers; a text without markers is refused. */
export function placeTable(text: string, table: string, file: string): string {
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from)
    throw dataError({
      what: "there is no place for the table",
      file,
      expected: `lines "${BEGIN}" and "${END}"`,
    });
  return `${text.slice(0, from + BEGIN.length)}\n\n${table}\n\n${text.slice(to)}`;
}
