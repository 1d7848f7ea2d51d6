import { dataError, usageError } from "../../tools/lib/errors.ts";
import type { ChatMessage } from "../../tools/tokenizer/chat-types.ts";
import type { Grade, Problem, Task } from "../task.ts";
import type { PromptEncoder } from "./draft.ts";
import { verdictOf } from "./grade.ts";
import { datasetFiles, digestOfFiles, parquetRows } from "./records.ts";
import { sequenceRatio } from "./sequence-matcher.ts";

/** Upper ends, in tokens, of the eight bins that each number of needles has. */
export const MRCR_BINS: readonly number[] = Array.from({ length: 8 }, (_, i) => 8192 * 2 ** i);

export interface MrcrOptions {
  /** A folder with `2needle/2needle_0.parquet` and so on, or one such file. */
  readonly dataset: string;
  /** Bins to run, by their upper ends; all of them when empty. */
  readonly lengths: readonly number[];
  /** Rows of each bin, from its beginning; all of them where absent. */
  readonly samples?: number | undefined;
  /** Tokens of an answer; by default those of the reference and a quarter more. */
  readonly replyBudget?: number | undefined;
  readonly encoder: PromptEncoder;
}

interface IndexEntry {
  readonly file: string;
  readonly row: number;
  readonly needles: number;
  readonly characters: number;
}

/** Multi-round co-reference: the i-th of several requests for the same kind of text has to be repeated word for word. */
export async function mrcrTask(options: MrcrOptions): Promise<Task> {
  const { dataset, encoder } = options;
  const files = await datasetFiles(dataset, [".parquet"]);
  const entries = await indexOf(files);
  if (entries.length === 0) throw dataError({ what: "the dataset has no row", file: dataset });
  const binOf = chosenRows(entries, options);
  if (binOf.size === 0)
    throw usageError({
      what: "--lengths names no bin of MRCR",
      expected: MRCR_BINS.join(", "),
      found: options.lengths.join(", "),
    });
  return {
    name: "mrcr",
    version: "1",
    count: binOf.size,
    digest: await digestOfFiles(files, dataset),
    async *problems(skip?: (id: string) => boolean) {
      for (const file of files) {
        let row = 0;
        for await (const content of parquetRows(file, COLUMNS)) {
          const key = `${file}#${row++}`;
          const bin = binOf.get(key);
          if (bin === undefined) continue;
          const id = `${bin.needles}needle/${bin.length}/${bin.rank}`;
          if (!skip?.(id))
            yield problemOf(content, { id, bin, file, encoder, replyBudget: options.replyBudget });
        }
      }
    },
    grade: (problem, { content }) => gradeMrcr(problem, content),
  };
}

const COLUMNS = [
  "prompt",
  "answer",
  "random_string_to_prepend",
  "n_needles",
  "desired_msg_index",
  "total_messages",
  "n_chars",
];

async function indexOf(files: readonly string[]): Promise<IndexEntry[]> {
  const entries: IndexEntry[] = [];
  for (const file of files) {
    let row = 0;
    for await (const { n_needles, n_chars } of parquetRows(file, ["n_needles", "n_chars"]))
      entries.push({ file, row: row++, needles: Number(n_needles), characters: Number(n_chars) });
  }
  return entries;
}

interface Bin {
  readonly needles: number;
  readonly length: number;
  readonly rank: number;
}

/**
 * Upstream's bins count tokens of another tokenizer, but each has as many rows: the rows of a number of needles, sorted by
 * length and cut in eight, are the bins up to a few rows at their ends.
 */
function chosenRows(entries: readonly IndexEntry[], { lengths, samples }: MrcrOptions): Map<string, Bin> {
  const chosen = new Map<string, Bin>();
  for (const needles of new Set(entries.map((entry) => entry.needles))) {
    const sorted = entries
      .filter((entry) => entry.needles === needles)
      .sort((a, b) => a.characters - b.characters);
    const ranks = new Map<number, number>();
    sorted.forEach(({ file, row }, i) => {
      const length = MRCR_BINS[Math.floor((i * MRCR_BINS.length) / sorted.length)];
      const rank = ranks.get(length) ?? 0;
      ranks.set(length, rank + 1);
      const wanted = lengths.length === 0 || lengths.includes(length);
      if (wanted && rank < (samples ?? Number.POSITIVE_INFINITY))
        chosen.set(`${file}#${row}`, { needles, length, rank });
    });
  }
  return chosen;
}

function problemOf(
  row: Readonly<Record<string, unknown>>,
  facts: {
    readonly id: string;
    readonly bin: Bin;
    readonly file: string;
    readonly encoder: PromptEncoder;
    readonly replyBudget: number | undefined;
  },
): Problem {
  const { id, bin, file, encoder, replyBudget } = facts;
  const missing = ["prompt", "answer", "random_string_to_prepend"].find(
    (name) => typeof row[name] !== "string",
  );
  if (missing !== undefined)
    throw dataError({ what: `${id} has no text "${missing}"`, file, expected: "MRCR" });
  const messages = messagesIn(String(row.prompt), facts);
  const reference = String(row.answer);
  const answerTokens = encoder.encode(reference).length;
  return {
    id,
    messages,
    maxTokens: replyBudget ?? Math.ceil(1.25 * answerTokens),
    facts: {
      task: `mrcr-${bin.needles}needle`,
      length: bin.length,
      needles: bin.needles,
      promptTokens: encoder.renderedTokens(messages),
      characters: Number(row.n_chars),
      messageIndex: Number(row.desired_msg_index),
      messageCount: Number(row.total_messages),
      // From 0 at the first message to 1 at the question.
      depths: [Number(row.desired_msg_index) / Math.max(1, messages.length - 1)],
      start: String(row.random_string_to_prepend),
      references: [reference],
    },
  };
}

function messagesIn(
  prompt: string,
  { id, file }: { readonly id: string; readonly file: string },
): ChatMessage[] {
  try {
    const messages = JSON.parse(prompt) as { role: string; content: string }[];
    return messages.map(({ role, content }) => {
      if ((role !== "user" && role !== "assistant") || typeof content !== "string")
        throw new TypeError(`role ${role}`);
      return { role, content };
    });
  } catch (error) {
    throw dataError(
      { what: `the prompt of ${id} is no list of messages: ${(error as Error).message}`, file },
      error,
    );
  }
}

/** The ratio of the answer behind its random start; 0 where the start is missing. `lenient` forgives white space before it. */
export function mrcrScores(
  reply: string,
  reference: string,
  start: string,
): { strict: number; lenient: number } {
  const after = (text: string): string => (text.startsWith(start) ? text.slice(start.length) : text);
  const score = (text: string): number =>
    text.startsWith(start) ? sequenceRatio(after(text), after(reference)) : 0;
  return { strict: score(reply), lenient: score(reply.trimStart()) };
}

function gradeMrcr({ facts }: Problem, content: string): Grade {
  const start = facts.start as string;
  const [reference] = facts.references as readonly string[];
  const { strict, lenient } = mrcrScores(content, reference, start);
  const startMissing = !content.startsWith(start);
  return {
    score: strict,
    verdict: startMissing ? "no_start" : verdictOf(strict),
    facts: { lenient, startMissing },
  };
}
