import { createHash } from "node:crypto";
import { dataError } from "../../tools/lib/errors.ts";
import { readSmallFile } from "../../tools/lib/files.ts";
import { MAX_QA_BYTES } from "../../tools/lib/limits.ts";
import type { Recipe } from "./draft.ts";
import type { Random } from "./random.ts";

/** Questions about documents, as SQuAD and HotpotQA have them. */
export interface QaDataset {
  readonly digest: string;
  readonly documents: readonly string[];
  readonly questions: readonly {
    readonly query: string;
    readonly answers: readonly string[];
    /** Positions in `documents` of what the answer follows from. */
    readonly gold: readonly number[];
  }[];
}

/** Reads SQuAD (`{"data": [{"paragraphs": …}]}`, answerable questions alone) or HotpotQA (an array of questions). */
export async function readQaDataset(path: string): Promise<QaDataset> {
  const bytes = await readSmallFile(path, MAX_QA_BYTES);
  const digest = createHash("sha256").update(bytes).digest("hex");
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw dataError({ what: `not JSON: ${(error as Error).message}`, file: path }, error);
  }
  const dataset = Array.isArray(json)
    ? hotpot(json as HotpotItem[], path)
    : squad(json as SquadFile | null, path);
  if (dataset.questions.length === 0) throw dataError({ what: "the dataset has no question", file: path });
  return { digest, ...dataset };
}

interface SquadFile {
  readonly data?: readonly {
    readonly paragraphs: readonly {
      readonly context: string;
      readonly qas: readonly {
        readonly question: string;
        readonly is_impossible?: boolean;
        readonly answers: readonly { readonly text: string }[];
      }[];
    }[];
  }[];
}

interface HotpotItem {
  readonly question: string;
  readonly answer: string;
  readonly context: readonly (readonly [string, readonly string[]])[];
}

/** Gives equal documents one position. */
function documentTable(): { readonly documents: string[]; position(text: string): number } {
  const positions = new Map<string, number>();
  const documents: string[] = [];
  return {
    documents,
    position(text) {
      const known = positions.get(text);
      if (known !== undefined) return known;
      positions.set(text, documents.length);
      return documents.push(text) - 1;
    },
  };
}

const malformed = (file: string, expected: string, cause: unknown): Error =>
  dataError({ what: "not a dataset of questions", file, expected }, cause);

/** Types of the file are a promise that nobody has checked. */
function text(value: string): string {
  if (typeof value !== "string") throw new TypeError("no text");
  return value;
}

function squad(content: SquadFile | null, file: string): Omit<QaDataset, "digest"> {
  const { documents, position } = documentTable();
  try {
    const data = content?.data;
    if (!data) throw new TypeError("no data");
    const questions = data.flatMap(({ paragraphs }) =>
      paragraphs.flatMap(({ context, qas }) => {
        const gold = [position(text(context))];
        return qas
          .filter((qa) => !qa.is_impossible)
          .map(({ question, answers }) => ({ query: text(question), answers: given(answers), gold }))
          .filter(({ answers }) => answers.length > 0);
      }),
    );
    return { documents, questions };
  } catch (error) {
    throw malformed(
      file,
      "SQuAD: data[].paragraphs[] with context and qas[] of question and answers[]",
      error,
    );
  }
}

/** An empty answer would occur in every reply. */
const given = (answers: readonly { readonly text: string }[]): string[] =>
  answers.map((answer) => text(answer.text)).filter((answer) => answer !== "");

function hotpot(items: readonly HotpotItem[], file: string): Omit<QaDataset, "digest"> {
  const { documents, position } = documentTable();
  try {
    const questions = items
      .map(({ question, answer, context }) => ({
        query: text(question),
        answers: given([{ text: answer }]),
        gold: context.map(([title, sentences]) => position(`${text(title)}\n${sentences.join("")}`)),
      }))
      .filter(({ answers }) => answers.length > 0);
    return { documents, questions };
  } catch (error) {
    throw malformed(file, "HotpotQA: an array of question, answer and context[[title, sentences]]", error);
  }
}

const INSTRUCTION =
  "Answer the question based on the given documents. Only give me the answer and do not output any other words.";

/** A question about documents that lie among others. A unit is another document. */
export function documentQaRecipe(name: "qa_1" | "qa_2", dataset: QaDataset): Recipe {
  const { documents, questions } = dataset;
  const mostGold = questions.reduce((most, { gold }) => Math.max(most, gold.length), 0);
  return {
    name,
    replyTokens: 32,
    match: "any",
    haystack: "documents",
    minimumUnits: 0,
    maximumUnits: documents.length - mostGold,
    draft(random, unitCount) {
      const { query, answers, gold } = random.pick(questions);
      const others = distractors(random, { count: unitCount, bound: documents.length, gold });
      const order = random.shuffle([...gold, ...others]);
      return {
        head: `${INSTRUCTION}\n\nThe following are given documents.\n\n`,
        units: order.map((position, i) => `Document ${i + 1}:\n${documents[position]}\n\n`),
        tail: `${INSTRUCTION}\n\nQuestion: ${query}`,
        answerPrefix: " Answer:",
        references: answers,
        needles: order.flatMap((position, i) => (gold.includes(position) ? [i] : [])),
      };
    },
  };
}

function distractors(
  random: Random,
  {
    count,
    bound,
    gold,
  }: { readonly count: number; readonly bound: number; readonly gold: readonly number[] },
): number[] {
  return random
    .distinct(Math.min(bound, count + gold.length), bound)
    .filter((position) => !gold.includes(position))
    .slice(0, count);
}
