/**
 * Writes kernels/c/codebook-<format>.h from the codebooks. Run from the repository after a change of either:
 * `npm run build && node dist/kernels/tables/generate.js`. A test compares the files with what this would write.
 */
import { writeFileSync } from "node:fs";
import { codebookHeader } from "./c-source.ts";
import { type CodebookName, codebooks } from "./codebooks.ts";

for (const name of Object.keys(codebooks) as CodebookName[])
  writeFileSync(`kernels/c/codebook-${name.replace("_", "-")}.h`, codebookHeader(name));
