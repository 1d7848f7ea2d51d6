import { dataError } from "../../tools/lib/errors.ts";
import type { Problem, Task } from "../task.ts";
import { messagesOf, type PromptEncoder } from "./draft.ts";
import { datasetFiles, digestOfFiles, jsonRecords } from "./records.ts";

export interface LongBenchOptions {
  /** `data.json` of LongBench v2, JSON lines of the same records, or a folder with one of them. */
  readonly dataset: string;
  readonly encoder: PromptEncoder;
  /** Prompts longer than this lose their middle. */
  readonly promptLimit: number;
  /** Questions, from the beginning; all of them where absent. */
  readonly samples?: number | undefined;
  readonly replyBudget?: number | undefined;
}

const FIELDS = ["_id", "domain", "difficulty", "length", "question", "answer", "context"] as const;
const CHOICES = ["A", "B", "C", "D"] as const;

/** Four-way questions about long texts (LongBench v2), asked without an example. */
export async function longBenchTask(options: LongBenchOptions): Promise<Task> {
  const { dataset, samples = Number.POSITIVE_INFINITY } = options;
  const files = await datasetFiles(dataset, [".json", ".jsonl"]);
  let count = 0;
  for (const file of files) for await (const _ of jsonRecords(file)) count++;
  if (count === 0) throw dataError({ what: "the dataset has no record", file: dataset });
  return {
    name: "longbench-v2",
    version: "1",
    count: Math.min(count, samples),
    digest: await digestOfFiles(files, dataset),
    async *problems(skip?: (id: string) => boolean) {
      let made = 0;
      for (const file of files)
        for await (const record of jsonRecords(file)) {
          if (made++ >= samples) return;
          const id = String(record._id);
          if (!skip?.(id)) yield problemOf(record, { ...options, file });
        }
    },
    grade(problem, { content }) {
      const choice = chosenLetter(content);
      const score = choice === problem.facts.answer ? 1 : 0;
      const verdict = choice === undefined ? "no_answer" : score === 1 ? "correct" : "wrong_answer";
      return { score, verdict, facts: { choice: choice ?? "" } };
    },
  };
}

/** The letter that an answer commits to. */
export function chosenLetter(answer: string): string | undefined {
  const plain = answer.replaceAll("*", "");
  return (/The correct answer is \(([A-D])\)/.exec(plain) ??
    /The correct answer is ([A-D])/.exec(plain))?.[1];
}

function problemOf(
  record: Readonly<Record<string, unknown>>,
  facts: LongBenchOptions & { readonly file: string },
): Problem {
  const { encoder, promptLimit, replyBudget = 128, file } = facts;
  const missing = [...FIELDS, ...CHOICES.map((letter) => `choice_${letter}`)].filter(
    (field) => typeof record[field] !== "string",
  );
  if (missing.length > 0)
    throw dataError({ what: `a record has no text "${missing[0]}"`, file, expected: "LongBench v2" });
  const { text, promptTokens, cutTokens } = withoutMiddle(questionOf(record), encoder, promptLimit);
  return {
    id: record._id as string,
    messages: messagesOf(text),
    maxTokens: replyBudget,
    facts: {
      task: "longbench-v2",
      domain: record.domain,
      difficulty: record.difficulty,
      lengthClass: record.length,
      promptTokens,
      cutTokens,
      answer: record.answer,
    },
  };
}

const questionOf = (record: Readonly<Record<string, unknown>>): string =>
  [
    "Please read the following text and answer the question below.",
    "",
    "<text>",
    String(record.context).trim(),
    "</text>",
    "",
    `What is the correct answer to this question: ${String(record.question).trim()}`,
    "Choices:",
    ...CHOICES.map((letter) => `(${letter}) ${String(record[`choice_${letter}`]).trim()}`),
    "",
    'Format your response as follows: "The correct answer is (insert answer here)".',
  ].join("\n");

/** Keeps as many tokens at the beginning as at the end. */
function withoutMiddle(
  text: string,
  encoder: PromptEncoder,
  limit: number,
): { text: string; promptTokens: number; cutTokens: number } {
  const whole = encoder.renderedTokens(messagesOf(text));
  if (whole <= limit) return { text, promptTokens: whole, cutTokens: 0 };
  const ids = encoder.encode(text);
  let keep = ids.length - (whole - limit);
  for (;;) {
    const half = Math.floor(keep / 2);
    if (half < 1)
      throw dataError({
        what: "no room for a question",
        expected: "a longer context",
        found: `${limit} tokens`,
      });
    const cut = encoder.decode(ids.slice(0, half)) + encoder.decode(ids.slice(-half));
    const promptTokens = encoder.renderedTokens(messagesOf(cut));
    if (promptTokens <= limit) return { text: cut, promptTokens, cutTokens: ids.length - 2 * half };
    // A character cut in two becomes more tokens than it was.
    keep -= Math.max(2, promptTokens - limit);
  }
}
