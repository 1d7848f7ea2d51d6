import { dataError } from "./errors.ts";
import { formatBytes } from "./units.ts";

/** All of standard input as text. */
export async function readStdin(maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    total += (chunk as Buffer).length;
    if (total > maxBytes)
      throw dataError({
        what: "unreasonably large",
        file: "standard input",
        expected: `at most ${formatBytes(maxBytes)}`,
      });
  }
  return Buffer.concat(chunks).toString("utf8");
}
