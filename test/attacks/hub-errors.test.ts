import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { HUB_TOKENS } from "../fixtures/hub-server/protocol.ts";
import { expectRefusal } from "../support/attack.ts";
import { type CliResult, cli, cliCommand } from "../support/cli.ts";
import { blobsOf } from "../support/downloads.ts";
import { startHub } from "../support/hub.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";

const scratch = scratchFolder();
const folder = join(scratch, "repository");
mkdirSync(folder);
writeFileSync(join(folder, "config.json"), "{}\n");
const random = seededRandom(5);
const weights = Buffer.from(Array.from({ length: 200_000 }, () => Math.floor(256 * random())));
writeFileSync(join(folder, "model.safetensors"), weights);

const hub = await startHub({
  "org/open": { folder },
  "org/gated": { folder, gated: true },
  "org/private": { folder, private: true },
});
beforeEach(async () => {
  await hub.calm();
  await hub.clearLog();
});

let caches = 0;
const freshCache = (): string => join(scratch, `cache-${caches++}`);

function download(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cache = freshCache(),
): CliResult & { readonly cache: string } {
  return {
    ...cli(["download", ...args, "--quiet"], { env: { ...hub.env, HF_HUB_CACHE: cache, ...env } }),
    cache,
  };
}

const { member, stranger } = HUB_TOKENS;
const refused: readonly {
  readonly name: string;
  readonly args: readonly string[];
  readonly token?: string;
  readonly code: number;
  readonly facts: readonly (string | RegExp)[];
}[] = [
  {
    name: "a private repository without a token",
    args: ["org/private"],
    code: 77,
    facts: ["org/private", "HF_TOKEN"],
  },
  {
    name: "a private repository of others",
    args: ["org/private"],
    token: stranger,
    code: 66,
    facts: ["no such repository: org/private"],
  },
  {
    name: "a token that nobody has",
    args: ["org/open"],
    token: "hf_nobody",
    code: 77,
    facts: ["token was not accepted"],
  },
  {
    name: "a gated repository without a token",
    args: ["org/gated"],
    code: 77,
    facts: ["gated", "accept the licence at https://huggingface.co/org/gated", "HF_TOKEN"],
  },
  {
    name: "a gated repository before the licence is accepted",
    args: ["org/gated"],
    token: stranger,
    code: 77,
    facts: ["gated", "accept the licence at https://huggingface.co/org/gated"],
  },
  {
    name: "a repository that does not exist",
    args: ["org/none"],
    token: member,
    code: 66,
    facts: ["no such repository: org/none"],
  },
  {
    name: "an unknown revision",
    args: ["org/open", "--revision", "v9"],
    code: 66,
    facts: ["no such revision", "v9"],
  },
  {
    name: "a pattern that fits no file",
    args: ["org/open", "--include", "*.gguf"],
    code: 66,
    facts: ["no file fits --include", "*.gguf"],
  },
];

test.each(refused)("$name", ({ args, token, code, facts }) => {
  const result = download(args, { HF_TOKEN: token });
  expectRefusal(result, code, ...facts);
  if (token) expect(result.stderr).not.toContain(token);
  expect(blobsOf(result.cache, args[0])).toEqual([]);
});

test("offline with an empty cache: exit 69, and nothing is asked", async () => {
  expectRefusal(download(["org/open"], { HF_HUB_OFFLINE: "1" }), 69, "HF_HUB_OFFLINE");
  expect(await hub.log()).toEqual([]);
});

// The pauses between eight tries are drawn, up to two minutes in all.
test.skipIf(!FULL)("a server that is not there: exit 69 after some tries", { timeout: 240_000 }, () => {
  // Port 9 is discard: nobody listens.
  expectRefusal(download(["org/open"], { HF_ENDPOINT: "http://127.0.0.1:9" }), 69, "refused", "HF_ENDPOINT");
});

const contents = (root: string): string =>
  (readdirSync(root, { recursive: true }) as string[])
    .filter((name) => statSync(join(root, name)).isFile())
    .map((name) => `${name}\n${readFileSync(join(root, name), "latin1")}`)
    .join("\n");

test("the token goes to the Hub alone, and is written and shown nowhere", async () => {
  await hub.control({ rules: [{ on: "^hub GET .*safetensors", fault: { kind: "third-host" }, count: 1 }] });
  const result = download(["org/gated", "--jobs", "2", "--debug"], { HF_TOKEN: member });
  expect(result).toMatchObject({ code: 0 });
  const log = await hub.log();
  const hosts = new Set(log.map(({ origin, authorized }) => `${origin} ${authorized}`));
  expect(hosts).toEqual(new Set(["hub true", "cdn false", "third false"]));
  expect(result.stdout + result.stderr + contents(result.cache)).not.toContain(member);
  await hub.control({ rules: [{ on: "/resolve/", fault: { kind: "echo", status: 403 } }] });
  const echoed = download(["org/gated", "--debug"], { HF_TOKEN: member });
  expect(echoed.code).toBe(77);
  expect(echoed.stdout + echoed.stderr + contents(echoed.cache)).not.toContain(member);
});

test("the token may lie in the file that Python writes", async () => {
  const path = join(scratch, "token");
  writeFileSync(path, `${member}\n`);
  const result = download(["org/private"], { HF_TOKEN_PATH: path });
  expect(result).toMatchObject({ code: 0 });
  expect(result.stdout + result.stderr + contents(result.cache)).not.toContain(member);
});

test("HTTP_PROXY and NO_PROXY are honoured", async () => {
  expect(download(["org/open"], { HTTP_PROXY: hub.proxyUrl })).toMatchObject({ code: 0 });
  const count = (log: Awaited<ReturnType<typeof hub.log>>, isProxy: boolean): number =>
    log.filter(({ origin }) => (origin === "proxy") === isProxy).length;
  const through = await hub.log();
  expect(count(through, true)).toBeGreaterThan(3);
  expect(count(through, true)).toBe(count(through, false));
  await hub.clearLog();
  expect(download(["org/open"], { HTTP_PROXY: hub.proxyUrl, NO_PROXY: "127.0.0.1" })).toMatchObject({
    code: 0,
  });
  expect(count(await hub.log(), true)).toBe(0);
});

/** Runs a command after another that prepares the disk, both in a namespace of their own. */
function onDisk(prepare: string, cache: string, args: readonly string[]): CliResult {
  const command = [
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    `${prepare} && exec "$@"`,
    "sh",
    ...cliCommand(args),
  ];
  const env = { ...process.env, ...hub.env, HF_HUB_CACHE: cache };
  const { status, stdout, stderr } = spawnSync("unshare", command, { encoding: "utf8", env });
  return { code: status, stdout, stderr };
}

test("too little space is said before the first byte; a read-only disk is named, and will do where all is there", async () => {
  const cache = join(scratch, "mounted");
  mkdirSync(cache);
  const args = ["download", "org/open", "--quiet"];
  const tmpfs = (options: string): string => `mount -t tmpfs -o ${options} tmpfs ${cache}`;
  if (onDisk(tmpfs("size=4k"), cache, ["--version"]).code !== 0) {
    console.warn(
      "SKIPPED: no user and mount namespaces here, so neither a small nor a read-only disk to download to",
    );
    return;
  }
  expectRefusal(onDisk(tmpfs("size=100k"), cache, args), 74, "not enough free space", cache);
  expect((await hub.log()).filter(({ file }) => file !== undefined)).toEqual([]);
  expectRefusal(onDisk(tmpfs("ro"), cache, args), 77, "EROFS", cache);
  expect(download(["org/open"], {}, cache)).toMatchObject({ code: 0 });
  const readOnly = `mount --bind ${cache} ${cache} && mount -o remount,bind,ro ${cache}`;
  expect(onDisk(readOnly, cache, args)).toMatchObject({ code: 0 });
});
