import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { remoteSource, resolveLocal, resolveSource } from "../../tools/hub/resolve.ts";
import { scratchFolder } from "../support/scratch.ts";

const COMMIT = "c0ffee".padEnd(40, "0");
const INDEX = JSON.stringify({ weight_map: { a: "s-1.safetensors", b: "s-2.safetensors" } });
const WHOLE: Readonly<Record<string, string>> = {
  "config.json": "{}",
  "model.safetensors.index.json": INDEX,
  "s-1.safetensors": "1",
  "s-2.safetensors": "2",
};

/** A cache as huggingface_hub leaves it: links in snapshots, files in blobs. */
function cacheWith(
  files: Readonly<Record<string, string>>,
  refs: Readonly<Record<string, string>> = { main: COMMIT },
) {
  const HF_HUB_CACHE = scratchFolder();
  const repository = join(HF_HUB_CACHE, "models--org--name");
  const snapshot = join(repository, "snapshots", COMMIT);
  mkdirSync(snapshot, { recursive: true });
  mkdirSync(join(repository, "blobs"));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(repository, "blobs", name), text);
    symlinkSync(join("../../blobs", name), join(snapshot, name));
  }
  for (const [name, text] of Object.entries(refs)) {
    mkdirSync(dirname(join(repository, "refs", name)), { recursive: true });
    writeFileSync(join(repository, "refs", name), text);
  }
  return { env: { HF_HUB_CACHE, HOME: HF_HUB_CACHE } as NodeJS.ProcessEnv, snapshot };
}

test.each(["main", "refs/pr/1", "v1.0", COMMIT, COMMIT.slice(0, 7)])(
  "a revision that is whole in the cache is read there: %s",
  async (revision) => {
    const { env, snapshot } = cacheWith(WHOLE, { main: COMMIT, "refs/pr/1": `${COMMIT}\n`, "v1.0": COMMIT });
    const local = { name: "name", path: snapshot };
    expect(await resolveSource({ source: `org/name@${revision}` }, env)).toEqual(local);
    expect(await resolveSource({ source: "org/name", revision }, env)).toEqual(local);
    expect(await resolveLocal({ source: "org/name", revision }, env)).toEqual(local);
    expect(await resolveSource({ source: "org/name", revision }, { ...env, HF_HUB_OFFLINE: "1" })).toEqual(
      local,
    );
  },
);

test("a checkpoint of one file is whole without an index", async () => {
  const { env, snapshot } = cacheWith({ "config.json": "{}", "model.safetensors": "1" });
  expect(await resolveSource({ source: "org/name" }, env)).toEqual({ name: "name", path: snapshot });
});

test.each(Object.keys(WHOLE))(
  "without %s it is read at the Hub, and offline it is refused",
  async (missing) => {
    const { env, snapshot } = cacheWith(WHOLE);
    // A link whose blob is gone is no file.
    rmSync(join(dirname(dirname(snapshot)), "blobs", missing));
    const remote = { name: "name", remote: { id: "org/name", revision: "main" } };
    expect(await resolveSource({ source: "org/name" }, env)).toEqual(remote);
    const offline = resolveSource({ source: "org/name" }, { ...env, HF_HUB_OFFLINE: "1" });
    await expect(offline).rejects.toMatchObject({ exitCode: 69, message: expect.stringContaining(missing) });
    const local = resolveLocal({ source: "org/name" }, env);
    await expect(local).rejects.toMatchObject({
      exitCode: 66,
      message: expect.stringMatching(
        new RegExp(
          `not whole in the Hugging Face cache .*${missing}.*; download it first: v4kit download org/name$`,
        ),
      ),
    });
  },
);

test("what the cache does not know", async () => {
  const { env } = cacheWith(WHOLE, { main: "../../../etc", other: "" });
  for (const revision of ["main", "other", "v2", "c0ff", "d0d0d0d0"]) {
    const remote = { name: "name", remote: { id: "org/name", revision } };
    expect(await resolveSource({ source: "org/name", revision }, env)).toEqual(remote);
  }
  await expect(resolveLocal({ source: "org/name@v2" }, env)).rejects.toThrow(
    /^org\/name@v2 is not in the Hugging Face cache; download it first: v4kit download org\/name@v2$/,
  );
  await expect(resolveLocal({ variant: "flash" }, env)).rejects.toThrow(
    /download it first: v4kit download deepseek-ai\/DeepSeek-V4-Flash$/,
  );
});

test("a path that exists wins, addresses stay what they are", async () => {
  const { env, snapshot } = cacheWith(WHOLE);
  expect(await resolveSource({ source: snapshot }, env)).toEqual({ name: "name", path: snapshot });
  expect(() => remoteSource({ source: snapshot })).toThrow(`${snapshot}: it is on this machine`);
  const web = { name: "v4", remote: { id: "https://host/v4/", revision: "" } };
  expect(await resolveSource({ source: "https://host/v4/" }, env)).toEqual(web);
  await expect(resolveLocal({ source: "https://host/v4/" }, env)).rejects.toThrow(
    /v4kit download https:\/\/host\/v4\/$/,
  );
  const url = pathToFileURL(snapshot).href;
  expect(await resolveSource({ source: url }, env)).toMatchObject({ remote: { id: url } });
  expect(await resolveLocal({ source: url }, env)).toMatchObject({ path: snapshot });
  const offline = { ...env, HF_HUB_OFFLINE: "1" };
  expect(await resolveSource({ source: url }, offline)).toMatchObject({ remote: { id: url } });
  await expect(resolveSource({ source: "https://host/v4" }, offline)).rejects.toMatchObject({ exitCode: 69 });
});

test.each<readonly [Parameters<typeof resolveSource>[0], number, RegExp]>([
  [{}, 64, /name one source .*found none/],
  [{ source: "a/b", variant: "flash" }, 64, /found both/],
  [{ variant: "constructor" }, 64, /unknown variant/],
  [{ source: "./nowhere" }, 66, /no such file or folder/],
  [{ source: "datasets/org/name@v1" }, 64, /a dataset, not a checkpoint/],
  [{ source: "org/name@../../x" }, 64, /not a revision/],
  [{ source: "org/name@a", revision: "b" }, 64, /two revisions/],
  [{ source: "https://user:hunter2@" }, 64, /not the address of a folder/],
])("%j is refused", async (choice, exitCode, line) => {
  const { env } = cacheWith(WHOLE);
  await expect(resolveSource(choice, env)).rejects.toMatchObject({
    exitCode,
    message: expect.stringMatching(line),
  });
});

test("a password in an address is not shown", async () => {
  const refused = await resolveLocal({ source: "https://user:hunter2@host/v4?sig=x" }, {}).catch(
    (e: Error) => e,
  );
  expect((refused as Error).message).toMatch(/https:\/\/host\/v4/);
  expect((refused as Error).message).not.toMatch(/hunter2|sig/);
});
