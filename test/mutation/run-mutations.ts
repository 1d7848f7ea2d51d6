import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../support/cli.ts";
import type { Mutation } from "./mutations.ts";

/** What became of a mutation; `caughtBy` is missing where every test still passed. */
export interface Verdict {
  readonly mutation: Mutation;
  readonly caughtBy?: string;
}

/** How often a mutation's search text stands in its file: anything but once is a table out of date. */
export const matches = ({ file, search }: Mutation): number =>
  readFileSync(join(ROOT, file), "utf8").split(search).length - 1;

const CONFIG = `import { defineConfig } from "vitest/config";
export default defineConfig({
  cacheDir: ".vite",
  test: { setupFiles: ["test/support/seed.ts"], pool: "forks", testTimeout: 120_000, hookTimeout: 120_000 },
});
`;

/** A copy of the sources to be spoiled, with the compiled kernels and fixtures of the real tree. */
function scratchTree(): string {
  const scratch = mkdtempSync(join(tmpdir(), "v4kit-mutation-"));
  for (const folder of ["tools", "kernels", "test/support", "test/vectors/reference"])
    cpSync(join(ROOT, folder), join(scratch, folder), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(scratch, "package.json"));
  for (const name of ["release-configs.ts", "formula-model.ts"])
    cpSync(join(ROOT, "test/fixtures", name), join(scratch, "test/fixtures", name));
  symlinkSync(join(ROOT, "test/fixtures/golden"), join(scratch, "test/fixtures/golden"));
  symlinkSync(join(ROOT, "node_modules"), join(scratch, "node_modules"));
  const addon = "dist/kernels/v4kit-kernels.node";
  mkdirSync(join(scratch, "dist/kernels"), { recursive: true });
  if (existsSync(join(ROOT, addon))) symlinkSync(join(ROOT, addon), join(scratch, addon));
  writeFileSync(join(scratch, "vitest.config.ts"), CONFIG);
  return scratch;
}

/** Every kind of test once: without those that say the same again at greater length. */
const SUBSET = "^(?!.*(seed \\d|one token at a time|greedy|p702, fp32))";

const OFFICIAL = "test/vectors/reference/official.test.ts";

interface JsonReport {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** The first test of the reference pass that fails in a tree; undefined when all pass. */
async function firstFailure(scratch: string, judge: Mutation["judge"]): Promise<string | undefined> {
  const report = join(scratch, "report.json");
  rmSync(report, { force: true });
  const { V4KIT_FULL: _, ...env } = process.env;
  // A failing run ends with an exit code of 1: the report says the rest.
  const { stderr } = await promisify(execFile)(
    process.execPath,
    [
      join(ROOT, "node_modules/vitest/vitest.mjs"),
      "run",
      "--bail=1",
      "--reporter=json",
      `--outputFile=${report}`,
      ...["-t", SUBSET],
      ...(judge === "official" ? [OFFICIAL] : ["test/vectors/reference", "--exclude", OFFICIAL]),
    ],
    { cwd: scratch, env, maxBuffer: 1 << 26 },
  ).catch((error: { stderr?: string; message: string }) => ({ stderr: error.stderr ?? error.message }));
  if (!existsSync(report)) throw new Error(`vitest left no report: ${stderr.slice(-2000)}`);
  const { success, testResults } = JSON.parse(readFileSync(report, "utf8")) as JsonReport;
  if (success) return undefined;
  for (const { name, assertionResults } of testResults)
    for (const { status, fullName } of assertionResults)
      if (status === "failed") return `${basename(name, ".test.ts")}: ${fullName.trim().slice(0, 60)}`;
  // A mutation must be wrong, not unreadable: one that does not load proves nothing.
  const broken = testResults.find(({ status }) => status === "failed");
  if (broken && !/Transform failed|SyntaxError/.test(broken.message))
    return `${basename(broken.name, ".test.ts")}: ${broken.message.split("\n")[0]}`;
  throw new Error(`no test failed, but the run did: ${broken?.message ?? stderr.slice(-2000)}`);
}

/** Applies one mutation after the other to a scratch copy and reruns the tests of the reference pass there. */
export async function runMutations(
  mutations: readonly Mutation[],
  onVerdict: (verdict: Verdict) => void,
): Promise<void> {
  const scratch = scratchTree();
  try {
    for (const judge of new Set(mutations.map((mutation) => mutation.judge))) {
      const unspoiled = await firstFailure(scratch, judge);
      if (unspoiled) throw new Error(`without any mutation a test fails: ${unspoiled}`);
    }
    for (const mutation of mutations) {
      const { file, search, replace, judge } = mutation;
      const source = readFileSync(join(ROOT, file), "utf8");
      writeFileSync(
        join(scratch, file),
        source.replace(search, () => replace),
      );
      const caughtBy = await firstFailure(scratch, judge);
      onVerdict({ mutation, ...(caughtBy !== undefined && { caughtBy }) });
      writeFileSync(join(scratch, file), source);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
