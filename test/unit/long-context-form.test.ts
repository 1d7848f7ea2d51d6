import { expect, test } from "vitest";
import { textOfDraft } from "../../evals/longctx/draft.ts";
import { synthEssay } from "../../evals/longctx/essay.ts";
import { NOISE } from "../../evals/longctx/needles.ts";
import { randomOf } from "../../evals/longctx/random.ts";
import { rulerRecipes } from "../../evals/longctx/ruler.ts";
import { singleNeedles } from "../support/tiny-v4.ts";

/** The embedded checkpoint was trained and measured on prompts of others' making: ours must have the same form. */
test("a needle in noise is asked for as in the embedded checkpoint's own measurements", () => {
  const [recipe] = rulerRecipes({ essay: synthEssay(1) }).map((task) => task.recipe(1024));
  const theirs = singleNeedles().filter(({ prompt }) => prompt.includes(NOISE));
  expect(theirs.length).toBeGreaterThan(20);
  const chats = theirs.filter(({ prompt }) => prompt.includes("<｜Assistant｜>"));
  expect(chats.length).toBeGreaterThan(10);
  for (const { prompt, answer_text } of theirs) {
    const lines = prompt.split(NOISE).length - 1;
    const needleLine = prompt.split("\n").findIndex((line) => line.startsWith("One of")) - 1;
    const key = /numbers for (\S+) is/.exec(prompt)![1];
    const draft = recipe.draft(randomOf("form"), lines);
    const [, ourKey, ourValue] = /for (\S+) is: (\d+)\./.exec(draft.units[draft.needles[0]])!;
    const units = draft.units.toSpliced(draft.needles[0], 1);
    units.splice(needleLine, 0, draft.units[draft.needles[0]]);
    const named = (text: string): string =>
      text.replaceAll(ourKey, key).replaceAll(ourValue, answer_text.trim());
    const [before, between] = prompt.includes("<｜Assistant｜>")
      ? ["<｜begin▁of▁sentence｜><｜User｜>", "<｜Assistant｜></think>"]
      : ["<｜begin▁of▁sentence｜>", ""];
    expect(named(before + textOfDraft({ ...draft, units }) + between + draft.answerPrefix)).toBe(prompt);
  }
});
