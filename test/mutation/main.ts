import { MUTATIONS } from "./mutations.ts";
import { matches, runMutations } from "./run-mutations.ts";

/**
 * npx tsx test/mutation/main.ts [WORD]: which test catches which error (those with WORD in file or name). Fails when
 * one survives, or when a search text does not stand exactly once in its file.
 */
const word = process.argv[2] ?? "";
const chosen = MUTATIONS.filter(({ name, file }) => `${file} ${name}`.includes(word));
const stale = chosen.filter((mutation) => matches(mutation) !== 1);
for (const mutation of stale)
  console.log(
    `STALE ${mutation.file}: ${mutation.name}: found ${matches(mutation)} times: ${mutation.search}`,
  );
let survivors = 0;
const started = Date.now();
await runMutations(
  chosen.filter((mutation) => !stale.includes(mutation)),
  ({ mutation, caughtBy }) => {
    if (caughtBy === undefined) survivors++;
    console.log(
      `${((Date.now() - started) / 1000).toFixed(0).padStart(4)} s ${mutation.file.slice("tools/reference/".length).padEnd(14)} ${mutation.name.padEnd(46)} ${caughtBy ?? "SURVIVED"}`,
    );
  },
);
console.log(`${chosen.length} mutations, ${survivors} survived, ${stale.length} stale`);
process.exitCode = survivors + stale.length === 0 ? 0 : 1;
