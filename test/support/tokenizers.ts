import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { openTokenizer, type Tokenizer } from "../../tools/tokenizer/tokenizer.ts";

export async function tokenizerOf(path: string): Promise<Tokenizer> {
  const source = await openCheckpoint(path);
  try {
    return await openTokenizer(source);
  } finally {
    await source.close();
  }
}
