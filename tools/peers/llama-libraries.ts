import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { PACKAGE_ROOT } from "../lib/package-root.ts";

/** The release of llama.cpp that our drivers understand. */
export const LLAMA_RELEASE = "llama.cpp v0.5.0";

/** The folder of llama.cpp's shared libraries: `V4KIT_LLAMA_LIBS`, or an installed prebuilt package. */
export function findLlamaLibraries(): string | undefined {
  const stated = process.env.V4KIT_LLAMA_LIBS;
  const platform = `${process.platform}-${process.arch}`;
  const installed = [join(PACKAGE_ROOT, "test/judges"), PACKAGE_ROOT, process.cwd()].map((base) =>
    join(base, "node_modules/@node-llama-cpp", platform, "bins", platform),
  );
  return (stated ? [stated] : installed).find((folder) => existsSync(join(folder, "libllama.v0.5.0.so")));
}

/** What links a driver with the libraries in a folder. */
export const linkFlags = (libraries: string): readonly string[] => [
  ...["libllama.v0.5.0.so", "libggml.v0.5.0.so", "libggml-base.so"].map((name) => join(libraries, name)),
  `-Wl,-rpath,${libraries}`,
  "-Wl,--allow-shlib-undefined",
];

/** Compiles a small C driver, of this folder unless `name` is a path, to `program`. */
export async function buildDriver(name: string, program: string, flags: readonly string[]): Promise<void> {
  const source = resolve(PACKAGE_ROOT, "tools/peers", `${name}.c`);
  await promisify(execFile)(process.env.CC ?? "cc", ["-O1", "-o", program, source, ...flags]);
}
