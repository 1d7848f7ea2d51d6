import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/cli.ts";
import { FULL } from "../support/scratch.ts";

/** Megabytes of heap: less than the prompts together (about 4 MB each), enough to make one. */
const HEAP_MB = 96;
const SAMPLES = FULL ? 120 : 28;

test("prompts of a million tokens are made one at a time, in a heap that cannot hold them all", () => {
  const module = join(ROOT, "dist/evals/longctx/long-context-tasks.js");
  const script = `
    const { longContextTasks } = await import(${JSON.stringify(module)});
    // Four characters a token: what is measured here is what the tasks hold, not the tokenizer.
    const count = (text) => Math.ceil(text.length / 4);
    const encoder = {
      encode: (text) => ({ length: count(text) }),
      decode: () => "",
      renderedTokens: ([{ content }], prefix = "") => count(content + prefix),
      leadingTokens: 0,
    };
    const tasks = await longContextTasks({ suite: "ruler", tasks: ["niah_single_1"], lengths: [2 ** 20],
      samples: ${SAMPLES}, seed: 1, encoder, answerPrefix: true, contextTokens: 2 ** 20 });
    let characters = 0;
    let problems = 0;
    for await (const { messages, facts } of tasks[0].problems()) {
      problems++;
      characters += messages[0].content.length;
      if (facts.promptTokens < 1_040_000) throw new Error("only " + facts.promptTokens + " tokens");
    }
    console.log(JSON.stringify({ problems, characters }));`;
  const output = execFileSync(
    process.execPath,
    [`--max-old-space-size=${HEAP_MB}`, "--input-type=module", "--eval", script],
    { encoding: "utf8" },
  );
  const { problems, characters } = JSON.parse(output) as { problems: number; characters: number };
  expect(problems).toBe(SAMPLES);
  expect(characters).toBeGreaterThan(1.1 * HEAP_MB * 2 ** 20);
}, 120_000);
