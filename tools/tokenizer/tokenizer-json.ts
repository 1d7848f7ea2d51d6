import * as v from "valibot";
import { dataError } from "../lib/errors.ts";
import { parseStrictJson } from "../lib/strict-json.ts";

const isId = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const Id = v.custom<number>(isId, "Expected a token's id");

const TokenizerJson = v.looseObject({
  added_tokens: v.array(v.looseObject({ id: Id, content: v.string(), special: v.boolean() })),
  model: v.looseObject({
    type: v.optional(v.literal("BPE")),
    // Not v.record: it drops keys such as "constructor", which are tokens.
    vocab: v.custom<Readonly<Record<string, number>>>(
      (value) => typeof value === "object" && value !== null && Object.values(value).every(isId),
      "Expected a map of tokens to ids",
    ),
    // Either "left right" or [left, right]; newer releases of the tokenizers library write pairs.
    merges: v.array(v.union([v.string(), v.tuple([v.string(), v.string()])])),
  }),
});

export type TokenizerJson = v.InferOutput<typeof TokenizerJson>;

/** A tokenizer.json with byte-level BPE, the only kind that V4 checkpoints have; its other keys are kept. */
export function parseTokenizerJson(bytes: Uint8Array, file: string): TokenizerJson {
  const parsed = v.safeParse(TokenizerJson, parseStrictJson(bytes, file));
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const where = v.getDotPath(issue) ?? "(root)";
  throw dataError({ what: `not a byte-level BPE tokenizer: ${where}: ${issue.message}`, file });
}
