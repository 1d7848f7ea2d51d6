import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

/**
 * The identity program where vitest cannot load the addon: under AddressSanitizer and UndefinedBehaviorSanitizer,
 * and for AArch64 under qemu-user. Its digests do not depend on the machine. Full tier: each build takes minutes.
 */
const full = Boolean(process.env.V4KIT_FULL);
const build = new URL("../../kernels/build.mjs", import.meta.url).pathname;

function runs(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}

/** Builds the program with these arguments, runs it (through `runner` if given) and returns its digests. */
function digests(cc: string | undefined, buildArguments: string[], runner: string[] = []): string[] {
  const folder = mkdtempSync(join(tmpdir(), "v4kit-kernels-"));
  try {
    const program = join(folder, "identity");
    const env = cc ? { ...process.env, CC: cc } : process.env;
    const options = [build, "--program", "identity", "--out", program, ...buildArguments];
    execFileSync(process.execPath, options, { env, stdio: "pipe" });
    const [command, ...rest] = [...runner, program];
    const output = execFileSync(command, rest, { encoding: "utf8", stdio: "pipe" });
    expect(output).not.toContain("DIFFERS");
    return output
      .trim()
      .split("\n")
      .map((line) => line.split(/ +/).slice(0, 2).join(" "));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const timeout = 1_800_000;

test.skipIf(!full || !runs("cc"))(
  "sanitizers find nothing, and every set agrees under them",
  { timeout },
  () => {
    expect(digests(undefined, ["--sanitize"])).toEqual(digests(undefined, []));
  },
);

const cross = "aarch64-linux-gnu-gcc";
const canEmulate = runs("qemu-aarch64") && runs(cross);
if (full && !canEmulate)
  console.warn("SKIPPED: no qemu-aarch64 with an AArch64 cross compiler, so the NEON kernels did not run");
test.skipIf(!full || !canEmulate)("NEON under qemu gives the bytes of this machine", { timeout }, () => {
  const neon = digests(cross, ["--arch", "arm64"], ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]);
  expect(neon).toEqual(digests(undefined, []));
});
