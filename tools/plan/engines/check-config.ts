import { isDeepStrictEqual } from "node:util";
import { V4Error } from "../../lib/errors.ts";
import type { ArtefactFacts } from "../../model/artefact-facts.ts";
import { type ModelConfig, parseConfig } from "../../model/config.ts";
import type { ConfigRule } from "./engine-rules.ts";
import type { Findings } from "./verdict.ts";

/** Checks keys of config.json and hf_quant_config.json; true where all are as they should be. */
export function checkConfigRules(
  facts: ArtefactFacts,
  rules: readonly ConfigRule[],
  findings: Findings,
): boolean {
  const wrong = rules.filter(({ file, key, is, optional, doubtful, why }) => {
    const found = valueAt(file === "config.json" ? facts.config : facts.hfQuantConfig, key);
    const accepted = found === undefined ? is === "absent" || optional : isAccepted(is, found);
    if (accepted) return false;
    const where = file === "config.json" || facts.hfQuantConfig ? `${file}: ${key}` : file;
    const seen = found === undefined ? "no such key" : shown(found);
    if (doubtful) findings.doubt(`${where}: ${why} (expected ${expectation(is)}, found ${seen})`);
    else findings.problem({ where, expected: expectation(is), found: seen, why });
    return true;
  });
  return wrong.length === 0;
}

function isAccepted(is: ConfigRule["is"], found: unknown): boolean {
  return typeof is === "string" ? is === "present" : is.some((value) => isDeepStrictEqual(value, found));
}

function expectation(is: ConfigRule["is"]): string {
  if (typeof is === "string") return is === "present" ? "a value" : "no such key";
  return is.map(shown).join(" or ");
}

/** Follows a dotted path; keys of a JSON object only, never of its prototype. */
export function valueAt(root: unknown, path: string): unknown {
  let at = root;
  for (const key of path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

export const shown = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 80);

/** config.json must describe the model: every number that inference depends on, `compress_ratios` and `rope_scaling` too. */
export function checkGeometry(facts: ArtefactFacts, config: ModelConfig, findings: Findings): void {
  let own: ModelConfig;
  try {
    own = parseConfig(facts.config, "config.json");
  } catch (error) {
    if (!(error instanceof V4Error)) throw error;
    const { what, expected, found } = error.fault;
    findings.problem({
      where: "config.json",
      expected: expected ?? "the keys of the release",
      found: found === undefined || found === "undefined" ? "no such key" : found,
      why: what,
    });
    return;
  }
  const trunk = (one: ModelConfig): ModelConfig => ({
    ...one,
    compressRatios: one.compressRatios.slice(0, one.layerCount),
  });
  const [wanted, found] = [trunk(config), trunk(own)];
  // Where the source was read from a GGUF it does not state the blocks of FP8, nor a drafter.
  for (const field of Object.keys(wanted) as (keyof ModelConfig)[])
    if (field !== "fp8Block" && field !== "dspark" && !isDeepStrictEqual(wanted[field], found[field]))
      findings.problem({
        where: `config.json: ${field}`,
        expected: shown(wanted[field]),
        found: shown(found[field]),
        why: "the configuration is another model's",
      });
}
