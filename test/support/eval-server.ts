import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { EvalFaults } from "../fixtures/eval-server/faults.ts";
import type { EvalLogLine, EvalServerConfig } from "../fixtures/eval-server/main.ts";
import { ROOT } from "./cli.ts";

export interface TestEvalServer {
  /** The base of its API, `http://127.0.0.1:PORT/v1`. */
  readonly url: string;
  /** Changes faults; those that are not named stay. */
  control(change: Partial<EvalFaults>): Promise<void>;
  log(): Promise<readonly EvalLogLine[]>;
  /** Forgets the log and how often each prompt was tried. */
  clearLog(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a process of the evaluation server (test/fixtures/eval-server); it serves a model called `tiny-v4`. */
export async function startEvalServer(config: Partial<EvalServerConfig> = {}): Promise<TestEvalServer> {
  const whole: EvalServerConfig = {
    models: [{ id: "tiny-v4", object: "model" }],
    info: {},
    apis: ["chat", "completions", "messages"],
    faults: {},
    ...config,
  };
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(ROOT, "test/fixtures/eval-server/main.ts"), JSON.stringify(whole)],
    { stdio: ["pipe", "pipe", "inherit"], cwd: ROOT },
  );
  const ended = once(child, "exit");
  const first = await Promise.race([
    once(child.stdout, "data"),
    ended.then(([code]) => {
      throw new Error(`the evaluation server ended with ${code}`);
    }),
  ]);
  const origin = String(first[0]).trim();
  const control = async (method: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${origin}/__control`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
    });
    return response.json();
  };
  return {
    url: `${origin}/v1`,
    control: async (change) => void (await control("POST", change)),
    log: async () => (await control("GET")) as readonly EvalLogLine[],
    clearLog: async () => void (await control("DELETE")),
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
