import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { cliCommand } from "./cli.ts";
import type { TestHub } from "./hub.ts";

/** A download in a process of its own. */
export interface StartedDownload {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

export function startDownload(args: readonly string[], env: NodeJS.ProcessEnv): StartedDownload {
  const [command, ...rest] = cliCommand(["download", ...args]);
  const child = spawn(command, rest, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
  });
  let stderr = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    stderr += String(bytes);
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stderr }));
  return { child, stderr: () => stderr, ended };
}

/** Waits for a condition, or until the process has ended. */
export async function until(
  { child }: StartedDownload,
  isTime: () => boolean | Promise<boolean>,
): Promise<void> {
  while (child.exitCode === null && child.signalCode === null && !(await isTime())) await sleep(10);
}

/** Waits until the hub has sent so many bytes of bodies. */
export const untilSent = (started: StartedDownload, hub: TestHub, byteLength: number): Promise<void> =>
  until(started, async () => (await hub.bytesSent()) >= byteLength);

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** Files of a repository's blobs in a cache. */
export function blobsOf(cacheFolder: string, id: string): string[] {
  const folder = join(cacheFolder, `models--${id.replace("/", "--")}`, "blobs");
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}
