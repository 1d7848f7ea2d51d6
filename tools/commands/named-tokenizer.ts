import { stat } from "node:fs/promises";
import { type FoundTokenizer, openTokenizerAt } from "../checkpoint/open-tokenizer.ts";
import { resolveSource } from "../hub/resolve.ts";
import { withPlace } from "./open-place.ts";

/** The tokenizer of a path, or of a Hub id: two small files are read where the cache does not hold it. */
export async function openNamedTokenizer(name: string): Promise<FoundTokenizer> {
  const exists = await stat(name).then(
    () => true,
    () => false,
  );
  // A tokenizer.json need not be in a checkpoint.
  if (exists) return openTokenizerAt(name);
  return withPlace(await resolveSource({ source: name }), {}, ({ place }) => openTokenizerAt(place));
}
