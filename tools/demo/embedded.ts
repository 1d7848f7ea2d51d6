import { join } from "node:path";
import { PACKAGE_ROOT } from "../lib/package-root.ts";

/** The trained checkpoint that ships with v4kit: 8.8 M parameters in the official layout. */
export const DEMO_CHECKPOINT: string = join(PACKAGE_ROOT, "tools/demo/checkpoint");
