import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hubSettings } from "../../tools/hub/settings.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();

test.each<readonly [NodeJS.ProcessEnv, string]>([
  [{}, "/home/u/.cache/huggingface/hub"],
  [{ XDG_CACHE_HOME: "/x" }, "/x/huggingface/hub"],
  [{ XDG_CACHE_HOME: "/x", HF_HOME: "/h" }, "/h/hub"],
  [{ HF_HOME: "~/h" }, "/home/u/h/hub"],
  [{ HF_HOME: "~" }, "/home/u/hub"],
  [{ HF_HOME: "$BIG/hf" }, "/mnt/big/hf/hub"],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how shells write it
  [{ HF_HUB_CACHE: "${BIG}/c", HF_HOME: "/h" }, "/mnt/big/c"],
  [{ HF_HUB_CACHE: "/$UNSET/c" }, "/$UNSET/c"],
  [{ HUGGINGFACE_HUB_CACHE: "~/old" }, "/home/u/old"],
  [{ HUGGINGFACE_HUB_CACHE: "/old", HF_HUB_CACHE: "/new" }, "/new"],
  [{ HF_HUB_CACHE: "", HF_HOME: "" }, "/home/u/.cache/huggingface/hub"],
])("the cache of %j is where Python's package looks for it", (env, expected) => {
  expect(hubSettings({ HOME: "/home/u", BIG: "/mnt/big", ...env }).cacheFolder).toBe(expected);
});

test("truth is spelled as Python's package spells it", () => {
  for (const yes of ["1", "on", "YES", "True"]) {
    expect(hubSettings({ HOME: folder, HF_HUB_OFFLINE: yes }).offline).toBe(true);
    expect(hubSettings({ HOME: folder, HF_HUB_DISABLE_PROGRESS_BARS: yes }).showProgress).toBe(false);
  }
  for (const no of ["0", "", "off", "y", "2", undefined]) {
    expect(hubSettings({ HOME: folder, HF_HUB_OFFLINE: no }).offline).toBe(false);
    expect(hubSettings({ HOME: folder, HF_HUB_DISABLE_PROGRESS_BARS: no }).showProgress).toBe(true);
  }
  expect(hubSettings({ HOME: folder, TRANSFORMERS_OFFLINE: "1" }).offline).toBe(true);
});

test("the token: HF_TOKEN, then its old name, then the file; none where implicit tokens are forbidden", () => {
  const home = join(folder, "with-token");
  mkdirSync(home);
  writeFileSync(join(home, "token"), "  hf_file\r\n");
  writeFileSync(join(home, "elsewhere"), "hf_elsewhere");
  const token = (env: NodeJS.ProcessEnv): string | undefined =>
    hubSettings({ HOME: folder, HF_HOME: home, ...env }).token;
  expect(token({ HF_TOKEN: " hf_a\n", HUGGING_FACE_HUB_TOKEN: "hf_b" })).toBe("hf_a");
  expect(token({ HUGGING_FACE_HUB_TOKEN: "hf_b" })).toBe("hf_b");
  expect(token({})).toBe("hf_file");
  expect(token({ HF_TOKEN: "" })).toBe("hf_file");
  expect(token({ HF_TOKEN_PATH: join(home, "elsewhere") })).toBe("hf_elsewhere");
  expect(token({ HF_TOKEN_PATH: join(home, "none") })).toBeUndefined();
  expect(token({ HF_TOKEN: "hf_a", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" })).toBeUndefined();
  expect(hubSettings({ HOME: folder })).not.toHaveProperty("token");
});

test.each(["hf_secret one", "hf_secret\ntwo", "hf_secret\u0000", "hf_sécret"])(
  "a token that no header can carry is refused without being shown (%#)",
  (token) => {
    const attempt = (): unknown => hubSettings({ HOME: folder, HF_TOKEN: token });
    expect(attempt).toThrow(/^HF_TOKEN: not an access token/);
    expect(attempt).not.toThrow(/hf_s/);
  },
);

test("the endpoint", () => {
  const endpoint = (text: string): string => hubSettings({ HOME: folder, HF_ENDPOINT: text }).endpoint;
  expect(endpoint("")).toBe("https://huggingface.co");
  expect(endpoint("https://hub.example.org///")).toBe("https://hub.example.org");
  expect(endpoint("http://localhost:8080/hf/")).toBe("http://localhost:8080/hf");
  for (const wrong of [
    "hub.example.org",
    "ftp://a",
    "https://",
    "https://a b",
    "https://a/?x=1",
    "https://a\nb",
  ])
    expect(() => endpoint(wrong), wrong).toThrow(/HF_ENDPOINT is not the address of a Hub/);
  expect(() => endpoint("https://user:hf_secret@a")).toThrow(/HF_ENDPOINT/);
  expect(() => endpoint("https://user:hf_secret@a")).not.toThrow(/hf_secret/);
});
