import { execFileSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { conversionGround, finals, type Kind } from "./conversion-ground.ts";
import { convert, failureOf, identityOf, journalOf } from "./conversions.ts";
import { seededRandom } from "./scratch.ts";

/** Kills a conversion at bytes, at steps, and while it replaces another: some moments, or all of them. */
export function killTests(kind: Kind, full: boolean): void {
  const { linux, conversionOf, reference, withFaults, fresh, expectWhole, expectResumed } = conversionGround([
    kind,
  ]);
  const { name } = kind;

  /** Moments to be killed at: all in the full tier; else some, from every part of a run. */
  function moments(steps: number, sampled: number, seed: number): number[] {
    const all = Array.from({ length: steps }, (_, i) => i + 1);
    if (full) return all;
    const random = seededRandom(seed);
    return Array.from({ length: sampled }, (_, i) => all[Math.floor(((i + random()) / sampled) * steps)]);
  }

  test.skipIf(!linux)(
    `${kind.kind}, killed in the middle of writes, several times in a row: the same bytes, and work is not done again`,
    async () => {
      const { identity, bytes } = reference(kind);
      const random = seededRandom(5);
      const kills = full ? 50 : 2;
      let [hit, atWork, mostResumed] = [0, 0, 0];
      while (hit < kills) {
        const out = fresh(name);
        for (let inRow = 0; inRow < 5 && hit < kills; inRow++) {
          const { code } = withFaults(
            { FAULT_KILL_BYTES: Math.floor(bytes * random()) },
            { ...conversionOf(kind), out },
          );
          expectWhole(out, identity);
          // What is left may be less than the kill waits for: then the run ends.
          if (code !== null) {
            expect(code).toBe(0);
            break;
          }
          hit++;
          if (finals(out).length === 0 && existsSync(journalOf(out))) atWork++;
        }
        mostResumed = Math.max(mostResumed, await expectResumed(kind, out));
        rmSync(dirname(out), { recursive: true });
      }
      expect(atWork).toBeGreaterThanOrEqual(0.8 * kills);
      if (full) expect(mostResumed).toBeGreaterThan(200);
    },
    900_000,
  );

  test.skipIf(!linux)(
    `${kind.kind}, killed at any step (folders, locks, journal, syncs, renames, removals): the same bytes`,
    async () => {
      const { identity, steps } = reference(kind);
      for (const step of moments(steps, 2, 6)) {
        const out = fresh(name);
        const { code } = withFaults({ FAULT_KILL_STEP: step }, { ...conversionOf(kind), out });
        // The number of journal syncs follows the clock, so the last steps may not come.
        if (code !== null) expect([code, step > steps - 4]).toEqual([0, true]);
        expectWhole(out, identity);
        await expectResumed(kind, out);
        rmSync(dirname(out), { recursive: true });
      }
    },
    900_000,
  );

  test.skipIf(!linux)(
    `${kind.kind}, killed while it replaces another: the old files or the new ones, whole, and never a manifest that lies`,
    async () => {
      const { identity, steps } = reference(kind);
      const old = { ...conversionOf(kind), recipe: name === "model" ? "int4-g128" : "q8" };
      const before = fresh(name);
      await convert({ ...old, out: before });
      const oldIdentity = identityOf(before);
      // What matters is at the end.
      for (const step of moments(steps, 6, 7).slice(full ? -20 : -2)) {
        const out = fresh(name);
        execFileSync("cp", ["-r", dirname(before), dirname(out)]);
        const { code } = withFaults({ FAULT_KILL_STEP: step }, { ...conversionOf(kind), out, force: true });
        if (code !== null) expect(code).toBe(0);
        expectWhole(out, identity, oldIdentity);
        if (step % 2 === 0) {
          // Giving up instead: what is there stays, and nothing passes for what it is not.
          await failureOf(convert({ ...conversionOf(kind), out, restart: true }));
          expect(finals(out).length).toBe(name === "model" ? finals(out).length : 2);
          expect(finals(out).length).toBeGreaterThan(1);
          for (const recipe of [kind.recipe, old.recipe]) {
            const failure = await failureOf(convert({ ...conversionOf(kind), recipe, out }));
            if (failure === "0") {
              const [files] = recipe === old.recipe ? [oldIdentity] : [identity];
              expect(identityOf(out)).toEqual(files);
            } else expect(failure).toMatch(/^64 .*exists already/);
          }
        }
        await expectResumed(kind, out, true);
        rmSync(dirname(out), { recursive: true });
      }
    },
    900_000,
  );
}
