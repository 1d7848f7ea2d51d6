import { execFileSync, spawnSync } from "node:child_process";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { takeCensus } from "../../tools/model/census.ts";
import { cliCommand } from "../support/cli.ts";
import { pairOf, writeImportanceGguf } from "../support/imatrix.ts";

/**
 * How fast whole conversions are: lossless-4 beside `cp && sync` of the same bytes, in turn, with caches dropped; and the
 * encoders' recipes in weights per second with the processor's share. Prints CSV.
 *
 *   npx tsx test/bench/quantize-speed.ts CHECKPOINT SCRATCH [RUNS]
 *
 * CHECKPOINT is made with `v4kit demo generate CHECKPOINT --preset flash-layer --set layerCount=3 vocabSize=129280`.
 */
const [checkpoint, scratch, runs = "3"] = process.argv.slice(2);

const dropCaches = (): void => {
  execFileSync("sync");
  writeFileSync("/proc/sys/vm/drop_caches", "3");
};

interface Timed {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

function timed(command: readonly string[]): Timed {
  dropCaches();
  const started = performance.now();
  const [program, ...args] = command;
  const { status, stderr } = spawnSync("/usr/bin/time", ["-f", "%U %S", program, ...args], {
    encoding: "utf8",
  });
  execFileSync("sync");
  const seconds = (performance.now() - started) / 1000;
  if (status !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  const [user, system] = (stderr.trim().split("\n").at(-1) as string).split(" ").map(Number);
  return { seconds, cpuSeconds: user + system };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];

const source = await openCheckpoint(checkpoint);
const { entries } = takeCensus(source.config, source.tensors, checkpoint);
await source.close();
const expertWeights = entries
  .filter(({ spec }) => spec.role === "expert")
  .reduce((sum, { spec }) => sum + spec.shape[0] * spec.shape[1], 0);
const out = join(scratch, "speed.gguf");
const convert = (...args: string[]): Timed => {
  const result = timed(
    cliCommand(["quantize", checkpoint, "--out", out, "--force", "--restart", "--quiet", ...args]),
  );
  rmSync(join(scratch, "speed.v4kit"), { recursive: true });
  return result;
};

console.log("recipe,workers,seconds,cpu_busy,expert_weights_per_second,times_cp_and_sync");
const ratios: number[] = [];
const passes: Timed[] = [];
for (let run = 0; run < Number(runs); run++) {
  const ours = convert("--bits", "4", "--workers", "2");
  const bytes = statSync(out).size;
  // What cp copies is what we wrote: the same bytes.
  const copy = timed(["cp", out, `${out}.copy`]);
  if (statSync(`${out}.copy`).size !== bytes) throw new Error("cp copied something else");
  rmSync(`${out}.copy`);
  rmSync(out);
  ratios.push(copy.seconds / ours.seconds);
  passes.push(ours);
}
const seconds = median(passes.map((pass) => pass.seconds));
const busy = median(passes.map((pass) => pass.cpuSeconds / pass.seconds / 2));
console.log(
  `lossless-4,2,${seconds.toFixed(1)},${busy.toFixed(2)},${(expertWeights / seconds).toExponential(3)},${median(ratios).toFixed(2)}`,
);

const imatrix = join(scratch, "speed-imatrix.gguf");
const stacks = new Map<string, { columns: number; matrices: number }>();
for (const { spec } of entries) {
  if (spec.role !== "expert" || spec.gguf === undefined) continue;
  const stack = stacks.get(spec.gguf) ?? { columns: spec.shape[1], matrices: 0 };
  stacks.set(spec.gguf, { ...stack, matrices: stack.matrices + 1 });
}
let state = 1;
const energy = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return 0.05 + state / 2 ** 32;
};
writeImportanceGguf(
  imatrix,
  [...stacks].flatMap(([name, { columns, matrices }]) =>
    pairOf(
      name,
      Array.from({ length: columns * matrices }, () => energy() ** 4 * 100),
      Array.from({ length: matrices }, () => 100),
    ),
  ),
);
for (const [recipe, ...args] of [["ds4-q2", "--imatrix", imatrix], ["ds4-q2"], ["q3-k"]] as const) {
  const { seconds: took, cpuSeconds } = convert("--recipe", recipe, "--workers", "2", ...args);
  rmSync(out);
  const name = args.length > 0 ? `${recipe} with imatrix` : recipe;
  console.log(
    `${name},2,${took.toFixed(1)},${(cpuSeconds / took / 2).toFixed(2)},${(expertWeights / took).toExponential(3)},`,
  );
}
rmSync(imatrix);
