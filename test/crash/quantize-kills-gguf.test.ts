import { GGUF } from "../support/conversion-ground.ts";
import { killTests } from "../support/conversion-kills.ts";
import { FULL } from "../support/scratch.ts";

killTests(GGUF, FULL);
