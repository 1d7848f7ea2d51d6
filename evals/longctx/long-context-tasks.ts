import { usageError } from "../../tools/lib/errors.ts";
import type { Task } from "../task.ts";
import { classicNeedleRecipe } from "./classic-needle.ts";
import { type QaDataset, readQaDataset } from "./document-qa.ts";
import type { PromptEncoder } from "./draft.ts";
import { type Essay, fileEssay, synthEssay } from "./essay.ts";
import { type Cell, type GeneratedOptions, generatedTask, roomOf } from "./generated-task.ts";
import { longBenchTask } from "./longbench.ts";
import { mrcrTask } from "./mrcr.ts";
import { needleRecipe } from "./needles.ts";
import { type AttentionGeometry, residueLengths } from "./residue-sweep.ts";
import { NEEDLE_TASKS, rulerRecipes } from "./ruler.ts";

/** Lengths of prompt and answer together, in tokens of the model. */
export const LENGTH_LADDER: readonly number[] = Array.from({ length: 9 }, (_, i) => 4096 * 2 ** i);

/** Needle depths of the heat map, in percent of the haystack. */
export const DEPTH_GRID: readonly number[] = Array.from({ length: 11 }, (_, i) => 10 * i);

export const SUITES = ["ruler", "niah", "residue", "mrcr", "longbench", "ruler-qa"] as const;

/** Needle and haystack of the suites `niah` and `residue`. */
export const NEEDLE_STYLES = ["essay", "noise", "classic"] as const;

export interface LongContextOptions {
  readonly suite: (typeof SUITES)[number];
  /** Of `residue` the longest counts. */
  readonly lengths: readonly number[];
  /** For each length (and depth, and task). */
  readonly samples: number;
  readonly seed: number;
  readonly encoder: PromptEncoder;
  /** False for thinking modes and for servers that cannot continue an answer. */
  readonly answerPrefix: boolean;
  readonly contextTokens: number;
  readonly replyBudget?: number;
  /** Names of RULER's tasks; all by default. */
  readonly tasks?: readonly string[];
  readonly depths?: readonly number[];
  readonly style?: (typeof NEEDLE_STYLES)[number];
  /** A text for haystacks instead of our own. */
  readonly essay?: string;
  /** MRCR's or LongBench's files. */
  readonly dataset?: string;
  readonly squad?: string;
  readonly hotpot?: string;
  /** Of the model, for `residue`. */
  readonly geometry?: AttentionGeometry;
}

/** The tasks of a suite. Datasets are read from this machine; a suite without what it needs is refused. */
export async function longContextTasks(given: LongContextOptions): Promise<readonly Task[]> {
  // Twice the same would give two problems, or tasks, of one name.
  const depths = given.depths && { depths: [...new Set(given.depths)] };
  const tasks = given.tasks && { tasks: [...new Set(given.tasks)] };
  const options = { ...given, lengths: [...new Set(given.lengths)], ...depths, ...tasks };
  const { suite, encoder, contextTokens, replyBudget } = options;
  if (suite === "mrcr") return [await mrcrTask({ ...options, dataset: needed(options, "dataset") })];
  if (suite === "longbench") {
    const promptLimit = contextTokens - (replyBudget ?? 128);
    return [
      await longBenchTask({
        dataset: needed(options, "dataset"),
        encoder,
        promptLimit,
        samples: options.samples,
        replyBudget,
      }),
    ];
  }
  const essay = options.essay === undefined ? synthEssay(options.seed) : await fileEssay(options.essay);
  if (suite === "niah") return [needleGrid(options, essay)];
  if (suite === "residue") return [residueSweep(options, essay)];
  return rulerTasks(options, essay);
}

function needed<K extends "dataset" | "geometry">(
  options: LongContextOptions,
  option: K,
): NonNullable<LongContextOptions[K]> {
  const value = options[option];
  if (value === undefined)
    throw usageError({ what: `${options.suite} needs --${option}`, next: "see docs/long-context.md" });
  return value;
}

async function rulerTasks(options: LongContextOptions, essay: Essay): Promise<readonly Task[]> {
  const { suite, lengths } = options;
  const read = (path: string | undefined): Promise<QaDataset> | undefined =>
    path === undefined ? undefined : readQaDataset(path);
  const [squad, hotpot] = await Promise.all([read(options.squad), read(options.hotpot)]);
  const isQa = (name: string): boolean => name.startsWith("qa_");
  const offered = rulerRecipes({ essay, squad, hotpot }).filter(
    ({ name }) => suite !== "ruler-qa" || isQa(name),
  );
  const names = options.tasks ?? offered.map(({ name }) => name);
  if (names.length === 0)
    throw usageError({ what: "ruler-qa needs --squad or --hotpot", next: "see docs/long-context.md" });
  return names.map((name) => {
    const found = offered.find((task) => task.name === name);
    if (!found)
      throw usageError({
        what: "no such task",
        expected: offered.map((task) => task.name).join(", "),
        found: name,
        ...(isQa(name) ? { next: "give its dataset by --squad or --hotpot" } : {}),
      });
    const cells = lengths.map((length) => ({ length, recipe: found.recipe(length) }));
    const dataset = name === "qa_1" ? squad : name === "qa_2" ? hotpot : undefined;
    return generated(name, cells, settingsOf(options, cells, { essay, dataset }));
  });
}

function settingsOf(
  options: LongContextOptions,
  cells: readonly Cell[],
  { essay, dataset }: { readonly essay: Essay; readonly dataset?: QaDataset | undefined },
): GeneratedOptions {
  const usesEssay = cells.some(({ recipe }) => recipe.haystack === essay.name);
  return {
    ...options,
    replyBudget: options.replyBudget,
    exact: options.suite === "residue",
    sources: {
      ...(usesEssay ? { essaySha256: essay.digest } : {}),
      ...(dataset ? { datasetSha256: dataset.digest } : {}),
    },
  };
}

/** A length that no prompt fits is found before the first token is paid for. */
function generated(name: string, cells: readonly Cell[], settings: GeneratedOptions): Task {
  for (const cell of cells) {
    const { needed, room } = roomOf(name, cell, settings);
    if (needed > room)
      throw usageError({
        what: `no prompt of ${cell.recipe.name} is as short as ${cell.length} tokens`,
        expected: `at least ${needed} tokens of prompt`,
        found: `room for ${room}`,
        next: "give a greater --lengths",
      });
  }
  return generatedTask(name, cells, settings);
}

/** Recipes by style: a text of ours or the user's, noise that any small model knows, or the needle of the first such test. */
function styledRecipe(style: LongContextOptions["style"], essay: Essay, depth: number) {
  if (style === "classic") return classicNeedleRecipe({ essay, depth });
  const name = style === "noise" ? "niah_single_1" : "niah_single_2";
  return needleRecipe(NEEDLE_TASKS.find((task) => task.name === name)!, { essay, depth });
}

function needleGrid(options: LongContextOptions, essay: Essay): Task {
  const { lengths, depths = DEPTH_GRID, style = "essay" } = options;
  const cells = lengths.flatMap((length) =>
    depths.map((depth): Cell => ({ length, depth, recipe: styledRecipe(style, essay, depth) })),
  );
  return generated(`niah-${style}`, cells, settingsOf(options, cells, { essay }));
}

/** Depths that the sweep tries at each length: both ends, and the middle that only compressed attention reaches. */
const SWEEP_DEPTHS: readonly number[] = [0, 50, 100];

function residueSweep(options: LongContextOptions, essay: Essay): Task {
  const { lengths, depths = SWEEP_DEPTHS, style = "noise" } = options;
  const swept = residueLengths(needed(options, "geometry"), Math.max(...lengths));
  const cells = swept.flatMap((length) =>
    depths.map((depth): Cell => ({ length, depth, recipe: styledRecipe(style, essay, depth) })),
  );
  // The shortest lengths hold a prompt with some tokenizers and not with others.
  const name = `residue-${style}`;
  const settings = settingsOf(options, cells, { essay });
  const fitting = cells.filter((cell) => {
    const { needed, room } = roomOf(name, cell, settings);
    return needed <= room;
  });
  if (fitting.length === 0)
    throw usageError({
      what: "no prompt of the sweep fits",
      found: `${Math.max(...lengths)} tokens`,
      next: "give a greater --lengths",
    });
  return generatedTask(name, fitting, settings);
}
