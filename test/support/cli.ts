import { spawnSync } from "node:child_process";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");
const CLI = join(ROOT, "dist/tools/cli.js");

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the compiled command line as a user would. */
export function cli(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; input?: string } = {},
): CliResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...process.env, ...options.env },
    ...(options.cwd && { cwd: options.cwd }),
    ...(options.input !== undefined && { input: options.input }),
  });
  return { code: status, stdout, stderr };
}

/** Command and arguments for tests that wrap or kill the process. */
export const cliCommand = (args: readonly string[]): string[] => [process.execPath, CLI, ...args];
