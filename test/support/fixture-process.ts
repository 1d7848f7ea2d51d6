import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ROOT } from "./cli.ts";

export interface FixtureProcess {
  /** The first line that it wrote. */
  readonly line: string;
  stop(): Promise<void>;
}

/** Starts a program of test/fixtures, which says in its first line that it is ready and ends with its standard input. */
export async function startFixture(script: string, args: readonly string[]): Promise<FixtureProcess> {
  const child = spawn(process.execPath, ["--import", "tsx", join(ROOT, "test/fixtures", script), ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    cwd: ROOT,
  });
  const ended = once(child, "exit");
  const [first] = await Promise.race([
    once(child.stdout, "data"),
    ended.then(([code]) => {
      throw new Error(`${script} ended with ${code}`);
    }),
  ]);
  return {
    line: String(first).trim(),
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
