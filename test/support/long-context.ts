import { join } from "node:path";
import type { PromptEncoder } from "../../evals/longctx/draft.ts";
import { type LongContextOptions, longContextTasks } from "../../evals/longctx/long-context-tasks.ts";
import type { Problem, Task } from "../../evals/task.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { readSmallFile } from "../../tools/lib/files.ts";
import { openTokenizer } from "../../tools/tokenizer/tokenizer.ts";

/** The embedded checkpoint's tokenizer, and the prompt form that its retrieval was measured with. */
export async function tinyEncoder(): Promise<PromptEncoder> {
  const tokenizer = await openTokenizer({
    location: DEMO_CHECKPOINT,
    readSidecar: (name, maxBytes) => readSmallFile(join(DEMO_CHECKPOINT, name), maxBytes),
  });
  return {
    ...tokenizer,
    renderedTokens: (messages, answerPrefix = "") => {
      const turns = messages.map(({ role, content }) =>
        role === "user" ? `<｜User｜>${content}<｜Assistant｜></think>` : `${content}<｜end▁of▁sentence｜>`,
      );
      return tokenizer.encode(`<｜begin▁of▁sentence｜>${turns.join("")}${answerPrefix}`).length;
    },
    leadingTokens: 2,
  };
}

export async function smallTasks(
  options: Partial<LongContextOptions> & Pick<LongContextOptions, "suite">,
): Promise<readonly Task[]> {
  return longContextTasks({
    lengths: [1024],
    samples: 2,
    seed: 7,
    encoder: await tinyEncoder(),
    answerPrefix: true,
    contextTokens: 2 ** 20,
    ...options,
  });
}

export async function problemsOf(task: Task): Promise<Problem[]> {
  const problems: Problem[] = [];
  for await (const problem of task.problems()) problems.push(problem);
  return problems;
}
