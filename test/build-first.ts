import { execFileSync } from "node:child_process";

/**
 * Worker threads load compiled JavaScript (piscina on Node 20 cannot load `.ts`),
 * so whatever a test runs must have been built from the sources it was written against.
 */
export function setup(): void {
  execFileSync("make", ["--silent", "compile"], { stdio: "inherit" });
}
