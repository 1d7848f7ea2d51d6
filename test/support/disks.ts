import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type CliResult, ROOT } from "./cli.ts";

/** The environment of a run on a misbehaving disk; the library that makes it so is compiled into `folder`. */
export function diskFaults(
  folder: string,
  faults: Readonly<Record<string, string | number>>,
): NodeJS.ProcessEnv {
  const library = join(folder, "disk-faults.so");
  const source = join(ROOT, "test/crash/disk-faults.c");
  if (!existsSync(library))
    execFileSync(process.env.CC ?? "cc", ["-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"]);
  return {
    ...Object.fromEntries(Object.entries(faults).map(([key, value]) => [key, String(value)])),
    LD_PRELOAD: library,
  };
}

/** Runs a command as the root of a user namespace, after a script of shell. */
export function inNamespace(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): CliResult {
  try {
    const wrapped = [
      "--user",
      "--map-root-user",
      "--mount",
      "sh",
      "-c",
      `${script} && exec "$@"`,
      "sh",
      ...args,
    ];
    return {
      stdout: execFileSync("unshare", wrapped, {
        stdio: "pipe",
        encoding: "utf8",
        env: { ...process.env, ...env },
      }),
      code: 0,
      stderr: "",
    };
  } catch (error) {
    const { status, stderr, stdout } = error as { status: number; stderr: string; stdout: string };
    return { code: status, stderr, stdout };
  }
}
