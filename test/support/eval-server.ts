import type { EvalFaults } from "../fixtures/eval-server/faults.ts";
import type { EvalLogLine, EvalServerConfig } from "../fixtures/eval-server/main.ts";
import { startFixture } from "./fixture-process.ts";

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
  const { line: origin, stop } = await startFixture("eval-server/main.ts", [JSON.stringify(whole)]);
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
    stop,
  };
}
