import { isDeepStrictEqual } from "node:util";
import { shown, valueAt } from "./check-config.ts";
import type { FormatCheck } from "./folder-modules.ts";
import { wildcardPattern } from "./patterns.ts";

const FILE = "hf_quant_config.json";
const ENTRY = { quant_algo: "NVFP4", group_size: 16 };

/**
 * `quantized_layers` of hf_quant_config.json covers exactly the modules stored as NVFP4, each by its own name or by that
 * of a module that holds it, and no exclusion covers one.
 */
export const checkModeloptLayers: FormatCheck = (facts, modules, findings) => {
  if (!facts.hfQuantConfig) return;
  const quantization = valueAt(facts.hfQuantConfig, "quantization");
  const listed = valueAt(quantization, "quantized_layers");
  const layers = new Map(typeof listed === "object" && listed !== null ? Object.entries(listed) : []);
  const stored = new Set<string>();
  const used = new Set<string>();
  for (const { name, encoding } of modules) {
    const holder = holderOf(name, layers);
    if (holder !== undefined) used.add(holder);
    if (encoding !== "nvfp4") {
      if (holder !== undefined)
        findings.problem({
          where: `${FILE}: quantization.quantized_layers.${holder}`,
          expected: "modules stored as NVFP4",
          found: "one that is not",
          why: "a listed module is read as NVFP4",
        });
      continue;
    }
    stored.add(name);
    const entry = holder === undefined ? undefined : layers.get(holder);
    if (!isDeepStrictEqual(entry, ENTRY))
      findings.problem({
        where: `${FILE}: quantization.quantized_layers.${name}`,
        expected: shown(ENTRY),
        found: entry === undefined ? "no such entry" : shown(entry),
        why: "modules that are not listed are read in the format of the release",
      });
  }
  for (const name of layers.keys())
    if (!used.has(name))
      findings.problem({
        where: `${FILE}: quantization.quantized_layers.${name}`,
        expected: "modules of the model",
        found: "none of this name",
        why: "an entry for nothing is a mistake in a name",
      });
  const excluded = valueAt(quantization, "exclude_modules");
  for (const entry of Array.isArray(excluded) ? excluded : []) {
    const matches = wildcardPattern(String(entry));
    if (!matches) {
      findings.doubt(`${FILE}: the exclusion ${shown(entry)} is too intricate to be tried`);
      continue;
    }
    const hit = [...stored].find(matches);
    if (hit !== undefined)
      findings.problem({
        where: `${FILE}: quantization.exclude_modules`,
        expected: "no pattern for a quantized module",
        found: `${shown(entry)}, which covers ${hit}`,
        why: "an excluded module is not read as NVFP4",
      });
  }
};

/** The listed name that covers a module: `layers.0.ffn.experts` covers `layers.0.ffn.experts.3.w1`. */
function holderOf(name: string, layers: ReadonlyMap<string, unknown>): string | undefined {
  for (let at = name; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf("."))))
    if (layers.has(at)) return at;
  return undefined;
}
