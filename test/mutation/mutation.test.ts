import { expect, test } from "vitest";
import { FULL } from "../support/scratch.ts";
import { MUTATIONS } from "./mutations.ts";
import { matches, runMutations } from "./run-mutations.ts";

test("every search text stands exactly once in its file", () => {
  expect(MUTATIONS.length).toBeGreaterThanOrEqual(25);
  expect(
    MUTATIONS.filter((mutation) => matches(mutation) !== 1).map(({ file, name }) => `${file}: ${name}`),
  ).toEqual([]);
});

test.runIf(FULL)(
  "no deliberate error in the reference pass survives its tests",
  async () => {
    const survivors: string[] = [];
    await runMutations(MUTATIONS, ({ mutation, caughtBy }) => {
      console.log(`${mutation.file}: ${mutation.name}: ${caughtBy ?? "SURVIVED"}`);
      if (caughtBy === undefined) survivors.push(mutation.name);
    });
    expect(survivors).toEqual([]);
  },
  30 * 60_000,
);
