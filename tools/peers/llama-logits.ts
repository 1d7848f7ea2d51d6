import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { withDriver } from "./llama-driver.ts";

/**
 * Runs llama.cpp on tokens and returns its logits `[tokens, vocab]`; without tokens it only loads the model. Builds the
 * small driver with the C compiler.
 */
export function llamaLogits(
  libraries: string,
  gguf: string,
  tokens: readonly number[],
): Promise<Float32Array> {
  const logits = (folder: string): string => join(folder, "logits.f32");
  return withDriver(
    { name: "llama-logits", libraries, gguf, tokens },
    (folder) => [logits(folder)],
    async (_, folder) => {
      const bytes = await readFile(logits(folder));
      return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    },
  );
}
