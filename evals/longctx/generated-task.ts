import { createHash } from "node:crypto";
import type { Problem, Task } from "../task.ts";
import { messagesOf, type PromptEncoder, type Recipe, textOfDraft } from "./draft.ts";
import { gradeAnswer } from "./grade.ts";
import { randomOf } from "./random.ts";
import { type FittedDraft, type PromptSizer, promptSizer } from "./sizing.ts";

/** Servers cap a context including the answer, and one is known to stop 6 tokens earlier than the model. */
const SPARE_TOKENS = 8;

export interface GeneratedOptions {
  readonly suite: string;
  readonly samples: number;
  readonly seed: number;
  readonly encoder: PromptEncoder;
  /** Whether the back-end can begin the answer. With and without are different series. */
  readonly answerPrefix: boolean;
  /** Tokens of a context, answer included. */
  readonly contextTokens: number;
  /** Tokens of a reply, reasoning included, where that is more than the task needs: prompts near the context shrink. */
  readonly replyBudget?: number | undefined;
  /** A length is the prompt's alone, and hit exactly. */
  readonly exact: boolean;
  /** What else the prompts depend on. */
  readonly sources: Readonly<Record<string, string>>;
}

/** Some samples of one length, made alike. */
export interface Cell {
  readonly length: number;
  /** Percent of the haystack before the needle, where it is fixed. */
  readonly depth?: number;
  readonly recipe: Recipe;
}

/** Prompts made from a seed. No sample depends on those before it, and none is kept. */
export function generatedTask(name: string, cells: readonly Cell[], options: GeneratedOptions): Task {
  const { suite, samples, seed, encoder, answerPrefix, exact, sources } = options;
  const version = "1";
  const plan = cells.map(({ length, depth, recipe }) => [recipe.name, length, depth ?? null]);
  return {
    name,
    version,
    count: cells.length * samples,
    digest: sha256(JSON.stringify([suite, name, version, plan, samples, seed, answerPrefix, exact, sources])),
    async *problems(skip?: (id: string) => boolean) {
      for (const cell of cells) {
        const sizer = sizerOf(name, cell, options);
        for (let sample = 0; sample < samples; sample++) {
          const id = idOf(cell, sample);
          if (!skip?.(id)) yield problemOf(id, cell, { ...options, fitted: sizer.fitted(String(sample)) });
        }
      }
    },
    grade: (problem, { content }) => gradeAnswer(problem, content, { recipe: cells[0].recipe, encoder }),
  };
}

/** Prompts of one cell differ by less than this: in the length of their words. */
const WORD_LUCK = 1.5;

/** How many tokens the shortest prompts of a cell have, the longest of them, and how many they may have. */
export function roomOf(
  name: string,
  cell: Cell,
  options: GeneratedOptions,
): { readonly needed: number; readonly room: number } {
  const room = promptLimit(cell, options);
  const sizer = sizerOf(name, cell, options);
  const typical = sizer.smallest("size");
  if (typical * WORD_LUCK < room || typical > room * WORD_LUCK) return { needed: typical, room };
  const samples = Array.from({ length: options.samples }, (_, sample) => sizer.smallest(String(sample)));
  return { needed: Math.max(typical, ...samples), room };
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const idOf = ({ length, depth }: Cell, sample: number): string =>
  depth === undefined ? `${length}/${sample}` : `${length}/${depth}%/${sample}`;

/** Tokens that a prompt may have. */
function promptLimit(
  { length, recipe }: Cell,
  { exact, contextTokens, replyBudget }: GeneratedOptions,
): number {
  const reserved = exact ? 0 : recipe.replyTokens;
  const most = contextTokens - SPARE_TOKENS - Math.max(recipe.replyTokens, replyBudget ?? 0);
  return Math.min(length - reserved, most);
}

function sizerOf(name: string, cell: Cell, options: GeneratedOptions): PromptSizer {
  const { suite, seed, encoder, answerPrefix, exact } = options;
  const place = cell.depth === undefined ? `${cell.length}` : `${cell.length}|${cell.depth}`;
  return promptSizer(cell.recipe, {
    limit: promptLimit(cell, options),
    encoder,
    withPrefix: answerPrefix,
    exact,
    random: (sample) => randomOf(`${suite}|${name}|${place}|${sample}|${seed}`),
  });
}

function problemOf(
  id: string,
  { length, depth: requestedDepth, recipe }: Cell,
  options: GeneratedOptions & { readonly fitted: FittedDraft },
): Problem {
  const { answerPrefix, replyBudget, fitted } = options;
  const { draft, promptTokens, needleOffsets } = fitted;
  const text = textOfDraft(draft);
  return {
    id,
    messages: messagesOf(text),
    maxTokens: replyBudget ?? recipe.replyTokens,
    facts: {
      task: recipe.name,
      haystack: recipe.haystack,
      length,
      ...(requestedDepth === undefined ? {} : { requestedDepth }),
      promptTokens,
      promptSha256: sha256(text),
      references: draft.references,
      needleOffsets,
      depths: needleOffsets.map((offset) => Number((offset / promptTokens).toFixed(4))),
      answerPrefix: answerPrefix ? "used" : "omitted",
      ...options.sources,
    },
    ...(answerPrefix ? { answerPrefix: draft.answerPrefix } : {}),
  };
}
