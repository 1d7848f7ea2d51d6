import { createHash } from "node:crypto";
import { dataError } from "../../tools/lib/errors.ts";
import { readSmallFile } from "../../tools/lib/files.ts";
import { MAX_ESSAY_BYTES } from "../../tools/lib/limits.ts";
import { type Random, randomOf } from "./random.ts";
import { ADJECTIVES, NOUNS, VERBS } from "./words.ts";

/** A text without end, cut into sentences. */
export interface Essay {
  /** `essay-synth` or `essay-file`: two series of results that are not compared. */
  readonly name: "essay-synth" | "essay-file";
  /** SHA-256 of the file, or of what the generator depends on. */
  readonly digest: string;
  /** The first `count` sentences. */
  sentences(count: number): readonly string[];
}

/**
 * Slots: {n} noun, {a} adjective with its noun, {v} verb. A sentence is an opening, a clause and an ending: more shapes than
 * any reader (or model) would want to learn, from three short lists.
 */
const OPENINGS =
  `|In the {n} near the {n}, |On the way to the {n}, |Long before the {n} was built, |After the {a} fell silent, |
When the {n} closed, |Because the {a} was far away, |As everybody knew, |Without a word about the {n}, |Every year, |By the {a}, |
Under the {a}, |For the sake of the {n}, |Just as the {a} had promised, |While others spoke of the {n}, |Not far from the {n}, |
In those days, |Despite the {a}, |Between the {n} and the {n}, |At the end of the season, |To the surprise of the {n}, |Later, |
Once more, |With the {a} in mind, |Above all, |Some say that |It was told that |As if by chance, |Behind the {n}, |Until then, `
    .replaceAll("\n", "")
    .split("|");

const CLAUSES =
  `the {a} {v} the {n}|a {a} {v} the {a}|the {n} of the {n} {v} a {n}|nobody {v} the {n} or the {n}|the {n} and the {n} {v}
 the {a}|someone {v} the {a} for the {n}|the {n} that {v} the {n} also {v} the {n}|we {v} the {a}|they {v} a {n} and {v} the {n}|
the owner of the {n} {v} the {a}|a {n} with a {a} {v} the {n}|neither the {n} nor the {a} {v} the {n}|the people of the {n} {v} the {n}|
one {n} after another {v} the {a}|my neighbour {v} the {n} beside the {n}|the {a} slowly {v} the {n}|her {n} {v} what the {n} had left|
the letter about the {n} {v} the {a}|the old story of the {n} {v} many a {n}|a traveller {v} the {a} of the {n}`
    .replaceAll("\n", "")
    .split("|");

const ENDINGS =
  `.|.|.| before the {n} arrived.| with a {n}.| beneath the {a}.| and went home.| because of the {n}.| as a {a} would.|, and the
 {n} was glad of it.| until the {a} returned.| without the {n}.|, though the {n} was against it.| and left the {n} where it was.| for a {n}.|
 in the {a}.| when the {n} allowed it.|, which no {n} could explain.| beyond the {n}.| for the first time.|, or so the {n} believed.| like a
 {n} in the {n}.|; the {a} stayed the same.| and never spoke of the {n} again.| near the {a}.|, as the {n} had always done.`
    .replaceAll("\n", "")
    .split("|");

/** Changes whenever the generated text does. */
const SYNTH_VERSION = "essay-synth@1";

/** Our own text: no digits, never the word "magic". Equal seeds give equal texts. */
export function synthEssay(seed: number): Essay {
  const key = `${SYNTH_VERSION}|${seed}`;
  const random = randomOf(key);
  const made: string[] = [];
  return {
    name: "essay-synth",
    digest: createHash("sha256").update(key).digest("hex"),
    sentences(count) {
      while (made.length < count) made.push(sentence(random));
      return made.slice(0, count);
    },
  };
}

function sentence(random: Random): string {
  const pattern = random.pick(OPENINGS) + random.pick(CLAUSES) + random.pick(ENDINGS);
  const text = pattern.replace(/\{(.)\}/g, (_, slot: string) =>
    slot === "v"
      ? random.pick(VERBS)
      : slot === "n"
        ? random.pick(NOUNS)
        : `${random.pick(ADJECTIVES)} ${random.pick(NOUNS)}`,
  );
  const spelled = text.replace(/\ba (?=[aeiou])/g, "an ");
  return spelled[0].toUpperCase() + spelled.slice(1);
}

/** A text of the user's: plain, or JSON with a member `text` as the Paul Graham essays are passed around. Repeated when short. */
export async function fileEssay(path: string): Promise<Essay> {
  const bytes = await readSmallFile(path, MAX_ESSAY_BYTES);
  const cut = sentencesOf(textOf(new TextDecoder().decode(bytes), path));
  if (cut.length === 0) throw dataError({ what: "the essay holds no sentence", file: path });
  return {
    name: "essay-file",
    digest: createHash("sha256").update(bytes).digest("hex"),
    sentences: (count) => Array.from({ length: count }, (_, i) => cut[i % cut.length]),
  };
}

function textOf(content: string, path: string): string {
  if (!path.endsWith(".json")) return content;
  try {
    const { text } = JSON.parse(content) as { text?: unknown };
    if (typeof text === "string") return text;
  } catch {
    // Said below.
  }
  throw dataError({ what: "not an essay", file: path, expected: 'a JSON object with the text as "text"' });
}

/** Sentences by their ends, in European and East Asian writing; what has none is cut at spaces, or anywhere. */
const sentencesOf = (text: string): string[] =>
  text
    .replace(/\s+/g, " ")
    .split(/(?<=[.!?]["')\]]?) |(?<=[。！？])/)
    .flatMap((sentence) => sentence.match(/.{1,400}(?= |$)|.{1,400}/gu) ?? [])
    .map((part) => part.trim())
    .filter((part) => part !== "");
