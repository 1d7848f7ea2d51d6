import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll } from "vitest";
import type {
  HubAddresses,
  HubFaults,
  HubLogLine,
  HubTraffic,
  RepositorySetup,
} from "../fixtures/hub-server/protocol.ts";
import { NO_FAULTS } from "../fixtures/hub-server/protocol.ts";
import { ROOT } from "./cli.ts";

/** A hub in a process of its own, as slow, rude or broken as a test wants it. */
export interface TestHub {
  readonly url: string;
  readonly cdnUrl: string;
  /** The chunk storage's. */
  readonly casUrl: string;
  /** The host that `third-host` redirects lead to. */
  readonly thirdUrl: string;
  /** A forward proxy for HTTP_PROXY; what passes it is in the log under the origin `proxy`. */
  readonly proxyUrl: string;
  /** The files of `main` as a plain web server has them. */
  plainUrl(id: string): string;
  control(change: Partial<HubFaults>): Promise<void>;
  /** Back to a server without faults. */
  calm(): Promise<void>;
  log(): Promise<readonly HubLogLine[]>;
  clearLog(): Promise<void>;
  /** Bytes of bodies that went out since the log was cleared: of one file, or of all answers. */
  bytesSent(file?: string): Promise<number>;
  /** What went out, and what of it no client has read yet: a client that is killed never had that. */
  traffic(): Promise<HubTraffic>;
  stop(): Promise<void>;
  /** For a command: the endpoint, a cache of its own, no token, no proxy. */
  readonly env: NodeJS.ProcessEnv;
}

/** Starts a hub that ends with the test file at the latest. Call it while tests are collected, or in a hook. */
export async function startHub(repositories: Readonly<Record<string, RepositorySetup>>): Promise<TestHub> {
  const server = spawn(
    process.execPath,
    ["--import", "tsx", join(ROOT, "test/fixtures/hub-server/main.ts"), JSON.stringify({ repositories })],
    { stdio: ["pipe", "pipe", "inherit"], cwd: ROOT },
  );
  const exited = once(server, "exit");
  const lines = createInterface({ input: server.stdout });
  const [line] = (await Promise.race([once(lines, "line"), exited])) as [unknown];
  if (typeof line !== "string") throw new Error(`the hub server ended with code ${line}`);
  const addresses = JSON.parse(line) as HubAddresses;
  const stop = async (): Promise<void> => {
    server.stdin.end();
    await exited;
  };
  afterAll(stop);
  const ask = async (path: string, init?: RequestInit): Promise<unknown> =>
    (await fetch(addresses.control + path, init)).json();
  const log = async (): Promise<readonly HubLogLine[]> => (await ask("/log")) as HubLogLine[];
  const control = async (change: Partial<HubFaults>): Promise<void> => {
    await ask("/faults", { method: "POST", body: JSON.stringify(change) });
  };
  return {
    url: addresses.hub,
    cdnUrl: addresses.cdn,
    casUrl: addresses.cas,
    thirdUrl: addresses.third,
    proxyUrl: addresses.proxy,
    plainUrl: (id) => `${addresses.hub}/plain/${id}`,
    control,
    calm: () => control(NO_FAULTS),
    log,
    clearLog: async () => {
      await ask("/log", { method: "DELETE" });
    },
    bytesSent: async (file) =>
      (await log())
        .filter(({ origin, status = 0, file: sent }) =>
          file === undefined ? origin !== "proxy" : sent === file && status < 300,
        )
        .reduce((sum, { bytesSent }) => sum + bytesSent, 0),
    traffic: async () => (await ask("/traffic")) as HubTraffic,
    stop,
    env: {
      HF_ENDPOINT: addresses.hub,
      HF_HOME: addresses.scratch,
      HF_HUB_CACHE: join(addresses.scratch, "hub"),
      HF_HUB_DISABLE_PROGRESS_BARS: "1",
      ...Object.fromEntries(UNSET.map((name) => [name, undefined])),
    },
  };
}

/** What the machine of a developer may have set, and a test must not inherit. */
const UNSET = [
  ...["HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "XDG_CACHE_HOME"],
  ...[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
  ],
];
