import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MRCR_BINS } from "../../evals/longctx/mrcr.ts";
import { jsonRecords } from "../../evals/longctx/records.ts";
import { ROOT } from "../support/cli.ts";
import { problemsOf, smallTasks } from "../support/long-context.ts";
import { scratchFolder } from "../support/scratch.ts";

const scratch = scratchFolder();
const MRCR = join(ROOT, "test/vectors/mrcr");

test("MRCR: all row groups of all files, bins by length within each number of needles", async () => {
  const [task] = await smallTasks({ suite: "mrcr", dataset: MRCR, lengths: [], samples: 100 });
  const problems = await problemsOf(task);
  expect(task.count).toBe(32);
  expect(new Set(problems.map(({ id }) => id)).size).toBe(32);
  for (const needles of [2, 4]) {
    const rows = problems.filter(({ facts }) => facts.needles === needles);
    expect(rows).toHaveLength(16);
    // Longest first in the files: the bins run the other way.
    expect(rows.map(({ facts }) => facts.length)).toEqual(
      [...MRCR_BINS].reverse().flatMap((length) => [length, length]),
    );
  }
  const [first] = problems;
  const { start, references, promptTokens } = first.facts as Record<string, never> & { references: string[] };
  expect(references[0]).toBe(`${start}A poem about tapirs, number 15 of 2.\nThe tapir \u{1f642} walks.`);
  expect(first.messages[0]).toEqual({ role: "user", content: "write a poem about tapirs" });
  expect(first.messages).toHaveLength(33);
  expect(promptTokens).toBeGreaterThan(200);
  expect(await task.grade(first, { content: references[0] })).toMatchObject({ score: 1, verdict: "correct" });
  expect(await task.grade(first, { content: "tapirs" })).toMatchObject({ score: 0, verdict: "no_start" });
});

test("MRCR: chosen bins, and the first rows of each", async () => {
  const [task] = await smallTasks({ suite: "mrcr", dataset: MRCR, lengths: [8192, 2 ** 20], samples: 1 });
  const ids = (await problemsOf(task)).map(({ id }) => id);
  expect(ids.sort()).toEqual(["2needle/1048576/0", "2needle/8192/0", "4needle/1048576/0", "4needle/8192/0"]);
  expect(task.count).toBe(4);
  const [one] = await smallTasks({
    suite: "mrcr",
    dataset: join(MRCR, "2needle/2needle_0.parquet"),
    lengths: [],
  });
  expect(one.digest).not.toBe(task.digest);
  await expect(smallTasks({ suite: "mrcr", dataset: MRCR, lengths: [4096] })).rejects.toThrow(
    /no bin of MRCR/,
  );
});

test("MRCR: what is no such table is refused by name", async () => {
  const broken = join(scratch, "broken.parquet");
  writeFileSync(broken, "PAR1 no table PAR1");
  await expect(smallTasks({ suite: "mrcr", dataset: broken })).rejects.toThrow(
    /broken\.parquet: not a Parquet file/,
  );
  mkdirSync(join(scratch, "empty"));
  await expect(smallTasks({ suite: "mrcr", dataset: join(scratch, "empty") })).rejects.toThrow(
    /no dataset here/,
  );
  await expect(smallTasks({ suite: "mrcr" })).rejects.toThrow(/--dataset/);
  writeFileSync(join(scratch, "none.json"), "[]");
  await expect(smallTasks({ suite: "longbench", dataset: join(scratch, "none.json") })).rejects.toThrow(
    /none\.json: the dataset has no record/,
  );
});

const record = (id: string, context: string, answer = "B") => ({
  _id: id,
  domain: "Single-Document QA",
  sub_domain: "Stories",
  difficulty: "easy",
  length: "short",
  question: `What of ${id}? {"not": "a record"}`,
  choice_A: "one",
  choice_B: "two",
  choice_C: "three",
  choice_D: "four",
  answer,
  context,
});

test("LongBench v2: an array or lines, the whole prompt, the middle left out where it is too long", async () => {
  const records = [
    record("a", 'A short text with \\ "quotes" and {braces}.'),
    record("b", "word ".repeat(3000), "D"),
  ];
  const array = join(scratch, "data.json");
  writeFileSync(array, JSON.stringify(records, null, 2));
  const [task] = await smallTasks({ suite: "longbench", dataset: array, contextTokens: 1128, samples: 10 });
  expect(task.count).toBe(2);
  const [short, long] = await problemsOf(task);
  expect(short.messages[0].content).toContain(
    `<text>\n${records[0].context}\n</text>\n\nWhat is the correct answer to`,
  );
  expect(short.messages[0].content).toContain("Choices:\n(A) one\n(B) two\n(C) three\n(D) four\n");
  expect(short.facts.cutTokens).toBe(0);
  expect(long.facts.promptTokens).toBeLessThanOrEqual(1000);
  expect(long.facts.promptTokens).toBeGreaterThan(990);
  expect(long.facts.cutTokens).toBeGreaterThan(1000);
  expect(long.messages[0].content).toMatch(/^Please read the following text/);
  expect(long.messages[0].content).toMatch(/"The correct answer is \(insert answer here\)"\.$/);
  expect(await task.grade(long, { content: "The correct answer is (D)" })).toMatchObject({ score: 1 });
  expect(await task.grade(long, { content: "D" })).toMatchObject({ score: 0, verdict: "no_answer" });

  const lines = join(scratch, "data.jsonl");
  writeFileSync(lines, records.map((line) => JSON.stringify(line)).join("\n"));
  const [same] = await smallTasks({ suite: "longbench", dataset: lines, contextTokens: 1128, samples: 10 });
  expect((await problemsOf(same)).map(({ messages }) => messages)).toEqual([short.messages, long.messages]);
});

test("records larger than a chunk, and files that end early", async () => {
  const path = join(scratch, "large.json");
  const records = [record("x", "é".repeat(1_500_000)), record("y", "end")];
  const text = JSON.stringify(records);
  writeFileSync(path, text);
  const read: unknown[] = [];
  for await (const row of jsonRecords(path)) read.push(row);
  expect(read).toEqual(records);
  writeFileSync(path, text.slice(0, -30));
  await expect(
    (async () => {
      for await (const _ of jsonRecords(path));
    })(),
  ).rejects.toThrow(/ends inside a record/);
});

const squad = {
  data: [0, 1].map((article) => ({
    title: `Article ${article}`,
    paragraphs: Array.from({ length: 30 }, (_, i) => ({
      context: `Paragraph ${i} of article ${article} says that its colour is shade${article}x${i}z.`,
      qas: [
        {
          question: `Which colour has ${article}/${i}?`,
          answers: [{ text: `shade${article}x${i}z` }, { text: "it" }],
        },
        { question: "Unanswerable", is_impossible: true, answers: [] },
      ],
    })),
  })),
};
const hotpot = Array.from({ length: 12 }, (_, i) => ({
  question: `Who made ${i}?`,
  answer: `Maker${i}`,
  context: [
    [`Title ${i}`, [`Sentence ${i}.`, ` Maker${i} made it.`]],
    ["Shared", ["The same for all."]],
  ],
}));

test("QA: the document that answers is among others, numbered, and the question has its answers", async () => {
  writeFileSync(join(scratch, "squad.json"), JSON.stringify(squad));
  writeFileSync(join(scratch, "hotpot.json"), JSON.stringify(hotpot));
  const tasks = await smallTasks({
    suite: "ruler-qa",
    squad: join(scratch, "squad.json"),
    hotpot: join(scratch, "hotpot.json"),
    lengths: [800],
    samples: 6,
  });
  expect(tasks.map(({ name }) => name)).toEqual(["qa_1", "qa_2"]);
  for (const task of tasks)
    for (const problem of await problemsOf(task)) {
      const { content } = problem.messages[0];
      const [answer] = problem.facts.references as string[];
      expect(content.split(answer).length - 1).toBe(1);
      const numbers = [...content.matchAll(/^Document (\d+):$/gm)].map(([, number]) => Number(number));
      expect(numbers.length).toBeGreaterThan(3);
      expect(numbers).toEqual(numbers.map((_, i) => i + 1));
      expect(content).toMatch(/\n\nQuestion: Wh[^\n]+\?$/);
      expect(problem.answerPrefix).toBe(" Answer:");
      expect(await task.grade(problem, { content: `It is ${answer}.` })).toMatchObject({ score: 1 });
      expect(problem.facts.promptTokens).toBeLessThanOrEqual(800 - 32);
      expect(problem.facts.datasetSha256).toMatch(/^[0-9a-f]{64}$/);
    }
});

test("QA: without a dataset there are eleven tasks; a wrong file is refused", async () => {
  expect(await smallTasks({ suite: "ruler" })).toHaveLength(11);
  await expect(smallTasks({ suite: "ruler", tasks: ["qa_1"] })).rejects.toThrow(/no such task .*--squad/);
  await expect(smallTasks({ suite: "ruler-qa" })).rejects.toThrow(/--squad or --hotpot/);
  const other = join(scratch, "other.json");
  const answeredBy = (answer: unknown) => [{ question: "q", answer, context: [["t", ["s"]]] }];
  for (const [content, message] of [
    [{ rows: [] }, /not a dataset of questions \(expected SQuAD/],
    [null, /not a dataset of questions \(expected SQuAD/],
    [answeredBy(7), /not a dataset of questions \(expected HotpotQA/],
    // It would occur in every reply.
    [answeredBy(""), /the dataset has no question/],
  ] as const) {
    writeFileSync(other, JSON.stringify(content));
    await expect(smallTasks({ suite: "ruler-qa", squad: other })).rejects.toThrow(message);
  }
});

test("an essay of the user's, plain or JSON, is repeated when short", async () => {
  const plain = join(scratch, "essay.txt");
  writeFileSync(plain, "One sentence stands here.  Another\nfollows it! Is there a third? Yes.");
  const json = join(scratch, "essay.json");
  writeFileSync(
    json,
    JSON.stringify({ text: "One sentence stands here. Another follows it! Is there a third? Yes." }),
  );
  const textsOf = async (essay: string) => {
    const [task] = await smallTasks({ suite: "ruler", tasks: ["niah_single_2"], essay });
    const problems = await problemsOf(task);
    expect(problems[0].facts).toMatchObject({ haystack: "essay-file", essaySha256: expect.any(String) });
    return problems.map(({ messages }) => messages[0].content);
  };
  const [first] = await textsOf(plain);
  expect(first.match(/Another follows it!/g)!.length).toBeGreaterThan(10);
  expect(await textsOf(json)).toEqual(await textsOf(plain));
  // Writing without spaces, and a text without any sentence, still fill a prompt.
  for (const text of ["这是一个句子。".repeat(400), "word ".repeat(4000), "x".repeat(9000)]) {
    writeFileSync(plain, text);
    const [task] = await smallTasks({ suite: "ruler", tasks: ["niah_single_2"], essay: plain });
    for (const { facts } of await problemsOf(task)) expect(facts.promptTokens).toBeGreaterThan(600);
  }
  writeFileSync(json, "[]");
  await expect(smallTasks({ suite: "niah", essay: json })).rejects.toThrow(/not an essay/);
});
