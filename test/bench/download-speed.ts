import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { parseBytes } from "../../tools/lib/units.ts";
import type { HubAddresses } from "../fixtures/hub-server/protocol.ts";
import { cliCommand, ROOT } from "../support/cli.ts";

/**
 * v4kit download against curl followed by sha256sum, in turn, over loopback, with the same number of connections and the
 * server on the same cores. Both write to a folder in memory where there is one: v4kit syncs what it wrote and curl does
 * not. Prints CSV: what, bytes, seconds, ratio of curl's time to v4kit's, peak resident MiB of the client.
 *
 *     npx tsx test/bench/download-speed.ts [--size 2GiB] [--runs 3] [--jobs 8] [--throttle 100MB/s] [--only v4kit]
 */
const { values: flags } = parseArgs({
  options: {
    size: { type: "string", default: "2GiB" },
    runs: { type: "string", default: "3" },
    jobs: { type: "string", default: "8" },
    throttle: { type: "string" },
    only: { type: "string" },
    folder: { type: "string", default: existsSync("/dev/shm") ? "/dev/shm" : tmpdir() },
  },
});
const byteLength = parseBytes(flags.size, "--size");
const jobs = Number(flags.jobs);
const scratch = mkdtempSync(join(flags.folder, "v4kit-bench-"));
const ID = "bench/model";
const FILE = "model.safetensors";

interface Run {
  readonly seconds: number;
  readonly peakMiB: number;
}

async function startServer(): Promise<{ addresses: HubAddresses; stop: () => void }> {
  const folder = join(scratch, "repository");
  mkdirSync(folder);
  writeFileSync(join(folder, "config.json"), "{}\n");
  const setup = { repositories: { [ID]: { folder, virtual: { [FILE]: { byteLength } } } } };
  const server = spawn(
    process.execPath,
    ["--import", "tsx", join(ROOT, "test/fixtures/hub-server/main.ts"), JSON.stringify(setup)],
    { stdio: ["pipe", "pipe", "inherit"], cwd: ROOT },
  );
  const [line] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
  const addresses = JSON.parse(line) as HubAddresses;
  const bytesPerSecond = flags.throttle ? parseBytes(flags.throttle.replace(/\/s$/, ""), "--throttle") : 0;
  await fetch(`${addresses.control}/faults`, { method: "POST", body: JSON.stringify({ bytesPerSecond }) });
  return { addresses, stop: () => server.kill() };
}

/** Runs a command to its end and returns the most memory it had. */
async function run(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  const [file, ...args] = command;
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "ignore"], env: { ...process.env, ...env } });
  let peakKiB = 0;
  const look = (): void => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      peakKiB = Math.max(peakKiB, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {}
  };
  const timer = setInterval(look, 50);
  const [code] = (await once(child, "exit")) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`${file} ended with ${code}`);
  return peakKiB / 1024;
}

async function timed(action: () => Promise<number>): Promise<Run> {
  const startedMs = performance.now();
  const peakMiB = await action();
  return { seconds: (performance.now() - startedMs) / 1000, peakMiB };
}

const withV4kit = (addresses: HubAddresses) => (): Promise<Run> => {
  const home = join(scratch, "home");
  rmSync(home, { recursive: true, force: true });
  return timed(() =>
    run(cliCommand(["download", ID, "--jobs", String(jobs), "--quiet"]), {
      HF_ENDPOINT: addresses.hub,
      HF_HOME: home,
      HF_HUB_CACHE: join(home, "hub"),
    }),
  );
};

const withCurl = (addresses: HubAddresses) => (): Promise<Run> => {
  const folder = join(scratch, "curl");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const url = `${addresses.hub}/${ID}/resolve/main/${FILE}`;
  const share = Math.ceil(byteLength / jobs);
  const parts = Array.from({ length: jobs }, (_, i) => ({
    path: join(folder, String(i)),
    range: `${i * share}-${Math.min(byteLength, (i + 1) * share) - 1}`,
  }));
  const transfers = parts.flatMap(({ path, range }, i) => [
    ...(i > 0 ? ["--next"] : []),
    ...["--silent", "--fail", "--location", "--range", range, "--output", path, url],
  ]);
  return timed(async () => {
    const peakMiB = await run([
      "curl",
      "--no-progress-meter",
      "--parallel",
      "--parallel-max",
      String(jobs),
      ...transfers,
    ]);
    await run(["sha256sum", ...parts.map(({ path }) => path)]);
    return peakMiB;
  });
};

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

try {
  const { addresses, stop } = await startServer();
  const contenders = [
    { what: "v4kit download", once: withV4kit(addresses), runs: [] as Run[] },
    { what: "curl and sha256sum", once: withCurl(addresses), runs: [] as Run[] },
  ].filter(({ what }) => flags.only === undefined || what.startsWith(flags.only));
  for (let i = 0; i < Number(flags.runs); i++)
    for (const contender of contenders) contender.runs.push(await contender.once());
  const secondsOf = (runs: readonly Run[]): number => median(runs.map(({ seconds }) => seconds));
  const rival = contenders.find(({ what }) => what.startsWith("curl"));
  process.stdout.write("what,bytes,seconds,ratio,peak_mib\n");
  for (const { what, runs } of contenders) {
    const seconds = secondsOf(runs);
    const ratio = rival ? (secondsOf(rival.runs) / seconds).toFixed(2) : "";
    const peakMiB = Math.max(...runs.map((one) => one.peakMiB)).toFixed(0);
    process.stdout.write(`${what},${byteLength},${seconds.toFixed(2)},${ratio},${peakMiB}\n`);
  }
  stop();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
