import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the installed package: the same from `dist/` and from the sources. Nothing is ever written in it. */
export const PACKAGE_ROOT: string = (() => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder))
    if (existsSync(join(folder, "package.json"))) return folder;
})();

export const VERSION: string = (
  JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8")) as { version: string }
).version;

/** A compiled module, as worker threads need it: `distModule("tools/quantize/worker")`. */
export const distModule = (name: string): string => join(PACKAGE_ROOT, "dist", `${name}.js`);
