import { beforeAll, describe, expect, test } from "vitest";
import type { PromptEncoder } from "../../evals/longctx/draft.ts";
import { DEPTH_GRID, LENGTH_LADDER } from "../../evals/longctx/long-context-tasks.ts";
import { residueLengths } from "../../evals/longctx/residue-sweep.ts";
import type { Problem, Task } from "../../evals/task.ts";
import { problemsOf, smallTasks, tinyEncoder } from "../support/long-context.ts";
import { FULL } from "../support/scratch.ts";

const GEOMETRY = { slidingWindow: 64, compressRatios: [0, 4, 128, 4, 0], indexer: { topK: 256 } };
const SPARE = 8;
let encoder: PromptEncoder;
beforeAll(async () => {
  encoder = await tinyEncoder();
});

const renderedTokens = ({ messages, answerPrefix }: Problem): number =>
  encoder.renderedTokens(messages, answerPrefix);

test("every task of RULER fills its lengths, answer included, and says how many tokens it has", async () => {
  const tasks = [
    ...(await smallTasks({ suite: "ruler", lengths: FULL ? [1024, 4096, 32_768] : [1024] })),
    // Their lists and examples change at 4,096 tokens.
    ...(await smallTasks({ suite: "ruler", lengths: [4096], tasks: ["vt", "cwe", "vt"], samples: 1 })),
  ];
  expect(tasks).toHaveLength(13);
  for (const task of tasks) {
    const problems = await problemsOf(task);
    expect(problems).toHaveLength(task.count);
    for (const problem of problems) {
      const { length, promptTokens } = problem.facts as { length: number; promptTokens: number };
      expect(promptTokens).toBe(renderedTokens(problem));
      expect(promptTokens).toBeLessThanOrEqual(length - problem.maxTokens);
      // A unit more or less, and a sample's own luck with longer words.
      expect(promptTokens).toBeGreaterThan(0.9 * (length - problem.maxTokens));
    }
  }
}, 60_000);

test("offsets are the tokens before each needle", async () => {
  for (const name of ["niah_multikey_1", "niah_multikey_2", "vt"]) {
    const [task] = await smallTasks({ suite: "ruler", tasks: [name] });
    for (const { messages, facts } of await problemsOf(task)) {
      const { content } = messages[0];
      const offsets = facts.needleOffsets as number[];
      expect(offsets.length).toBeGreaterThan(0);
      const ids = encoder.encode(`<｜begin▁of▁sentence｜><｜User｜>${content}`);
      for (const offset of offsets)
        expect(encoder.decode(ids.slice(offset)).trimStart()).toMatch(
          /^(One of the special magic|VAR [A-Z]{5} = )/,
        );
    }
  }
}, 60_000);

test("the grid has each depth at each length, and needles lie there", async () => {
  const [task] = await smallTasks({ suite: "niah", lengths: [1024, 2048], samples: 1 });
  const problems = await problemsOf(task);
  expect(problems.map(({ id }) => id).slice(0, 2)).toEqual(["1024/0%/0", "1024/10%/0"]);
  expect(problems).toHaveLength(2 * DEPTH_GRID.length);
  for (const { facts } of problems) {
    const [depth] = facts.depths as number[];
    // Instruction and question are part of the prompt, and a sentence is the step.
    expect(Math.abs(depth - (facts.requestedDepth as number) / 100)).toBeLessThan(0.12);
  }
}, 60_000);

describe("the residue sweep", () => {
  let task: Task;
  let problems: Problem[];
  beforeAll(async () => {
    [task] = await smallTasks({ suite: "residue", lengths: [700], samples: 1, geometry: GEOMETRY });
    problems = await problemsOf(task);
  }, 60_000);

  test("hits every length exactly", () => {
    expect(problems).toHaveLength(task.count);
    for (const problem of problems) expect(renderedTokens(problem)).toBe(problem.facts.length);
    const residues = new Set(problems.map(({ facts }) => (facts.length as number) % 4));
    expect([...residues].sort()).toEqual([0, 1, 2, 3]);
    expect(new Set(problems.map(({ facts }) => facts.requestedDepth))).toEqual(new Set([0, 50, 100]));
  });

  test("puts needles at every residue of the fine ratio", () => {
    const inside = problems.filter(({ facts }) => facts.requestedDepth === 50);
    const counts = [0, 1, 2, 3].map(
      (residue) => inside.filter(({ facts }) => (facts.needleOffsets as number[])[0] % 4 === residue).length,
    );
    expect(Math.min(...counts)).toBeGreaterThan(2);
  });

  test("leaves out what is too short for a prompt, and nothing else", () => {
    const run = new Set(problems.map(({ facts }) => facts.length as number));
    const left = residueLengths(GEOMETRY, 700).filter((length) => !run.has(length));
    expect(left).toEqual([48, 63, 64, 65, 80]);
  });

  test("needs the model's geometry", async () => {
    await expect(smallTasks({ suite: "residue", lengths: [700] })).rejects.toThrow("--geometry");
  });
});

test("the sweep's lengths come from the model: V4's own", () => {
  const v4 = { slidingWindow: 128, compressRatios: [0, 4, 128, 4], indexer: { topK: 512 } };
  const lengths = residueLengths(v4, 2 ** 20);
  const wanted = [
    96, 127, 128, 129, 160, 255, 256, 257, 1023, 1024, 1025, 2047, 2048, 2049, 2176, 4095, 4096, 4097,
  ];
  expect(wanted.filter((length) => !lengths.includes(length))).toEqual([]);
  expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
  expect(new Set(lengths).size).toBe(lengths.length);
  expect(Math.max(...residueLengths(v4, 200))).toBeLessThanOrEqual(200);
});

test("equal seeds give equal problems; seeds, lengths and options change the digest", async () => {
  const one = async (change: object): Promise<Task> =>
    (await smallTasks({ suite: "ruler", tasks: ["niah_single_1"], ...change }))[0];
  const texts = async (task: Task) => (await problemsOf(task)).map(({ messages }) => messages[0].content);
  expect(await texts(await one({}))).toEqual(await texts(await one({})));
  expect(await texts(await one({}))).not.toEqual(await texts(await one({ seed: 8 })));
  // More samples change nothing about the first.
  expect((await texts(await one({ samples: 4 }))).slice(0, 2)).toEqual(await texts(await one({})));
  const changes = [{}, { seed: 8 }, { lengths: [2048] }, { samples: 3 }, { answerPrefix: false }];
  const digests = await Promise.all(changes.map(async (change) => (await one(change)).digest));
  expect(new Set(digests).size).toBe(changes.length);
});

test("an answer that cannot be begun is not, and says so", async () => {
  const [task] = await smallTasks({ suite: "ruler", tasks: ["vt"], answerPrefix: false });
  const [problem] = await problemsOf(task);
  expect(problem.answerPrefix).toBeUndefined();
  expect(problem.facts.answerPrefix).toBe("omitted");
  expect(problem.facts.promptTokens).toBe(renderedTokens(problem));
});

test("the longest rung leaves room for the reply in the context", async () => {
  const options = { lengths: [2048], contextTokens: 2048, replyBudget: 500 } as const;
  const [task] = await smallTasks({ suite: "ruler", tasks: ["niah_single_1"], ...options });
  const [problem] = await problemsOf(task);
  expect(problem.maxTokens).toBe(500);
  expect(problem.facts.promptTokens).toBeLessThanOrEqual(2048 - 500 - SPARE);
  expect(LENGTH_LADDER.at(-1)).toBe(2 ** 20);
});

test("a length without room for the prompt is refused in one line", async () => {
  await expect(smallTasks({ suite: "ruler", tasks: ["vt"], lengths: [2048, 200] })).rejects.toThrow(
    /^no prompt of vt is as short as 200 tokens \(expected at least \d+ tokens of prompt, found room for 170\)/,
  );
  await expect(smallTasks({ suite: "niah", lengths: [100] })).rejects.toThrow(/as short as 100 tokens/);
});

test("near the shortest prompt every sample fits, or none is run", async () => {
  const fits = async (length: number): Promise<boolean> => {
    const options = { suite: "residue", style: "noise", depths: [50], samples: 12, seed: 3 } as const;
    // A window of this length puts it into the sweep, and nothing that is shorter.
    const geometry = { slidingWindow: length, compressRatios: [0], indexer: { topK: 2 ** 30 } };
    const tasks = await smallTasks({ ...options, lengths: [length], geometry }).catch((error: Error) => {
      expect(error.message).toMatch(/no prompt of the sweep fits/);
      return [];
    });
    for (const task of tasks) {
      const problems = await problemsOf(task);
      expect(problems.map(renderedTokens)).toEqual(problems.map(({ facts }) => facts.length));
    }
    return tasks.length > 0;
  };
  const results: boolean[] = [];
  for (let length = 80; length <= 98; length += 2) results.push(await fits(length));
  expect(results[0]).toBe(false);
  expect(results.at(-1)).toBe(true);
});
