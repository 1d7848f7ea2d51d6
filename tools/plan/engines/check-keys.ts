import { type GgufMetadata, type GgufValue, u32 } from "../../formats/gguf/values.ts";
import type { ModelConfig } from "../../model/config.ts";
import { architectureMetadata } from "../../model/gguf-config.ts";
import type { KeyRule } from "./engine-rules.ts";
import type { Findings } from "./verdict.ts";

export interface KeyContext {
  readonly config: ModelConfig;
  /** MTP blocks in this file. */
  readonly drafterBlocks: number;
  /** Put before a key in messages, for a file other than the model's first. */
  readonly prefix: string;
}

/** Checks the keys of a GGUF against an engine's rules: there, of a type it reads, with the value the model has. */
export function checkKeys(
  metadata: GgufMetadata,
  rules: readonly KeyRule[],
  context: KeyContext,
  findings: Findings,
): void {
  const { config, drafterBlocks, prefix } = context;
  const model = new Map([
    ...architectureMetadata(config, { drafterBlocks }),
    ["tokenizer.ggml.bos_token_id", u32(config.bosId)] as const,
    ["tokenizer.ggml.eos_token_id", u32(config.eosId)] as const,
  ]);
  for (const rule of rules)
    for (const name of rule.names) {
      const report = (expected: string, found: string): void =>
        findings.problem({ where: prefix + name, expected, found, why: rule.why });
      const value = metadata.get(name);
      if (value === undefined) {
        if (rule.need !== "optional")
          report(
            `a value of type ${rule.types.join(" or ")}`,
            rule.need === "silent" ? "no such key: it would compute nonsense" : "no such key",
          );
        continue;
      }
      const type = typeName(value);
      if (!rule.types.includes(type)) report(`type ${rule.types.join(" or ")}`, `type ${type}`);
      else checkValue(value, model.get(name), { rule, context, report });
    }
}

const typeName = (value: GgufValue): string => (value.type === "array" ? `array ${value.of}` : value.type);

interface ValueCheck {
  readonly rule: KeyRule;
  readonly context: KeyContext;
  readonly report: (expected: string, found: string) => void;
}

function checkValue(
  value: GgufValue,
  model: GgufValue | undefined,
  { rule, context: { config, drafterBlocks }, report }: ValueCheck,
): void {
  const blocks = config.layerCount + drafterBlocks;
  if (value.type === "array") {
    const { length } = value.value;
    const wanted = rule.length === "vocabulary" ? config.vocabSize : blocks;
    if (rule.length && (rule.length === "at-least-blocks" ? length < wanted : length !== wanted)) {
      report(`${rule.length === "at-least-blocks" ? "at least " : ""}${wanted} entries`, `${length} entries`);
      return;
    }
    const missing =
      rule.contains?.filter((text) => !(value.value as readonly unknown[]).includes(text)) ?? [];
    if (missing.length > 0) report(`the entries ${rule.contains?.join(" ")}`, `no ${missing.join(", no ")}`);
  }
  const wanted = rule.values ?? (model && entriesOf(model));
  if (wanted === undefined) return;
  if (rule.values) {
    if (value.type === "array" || !rule.values.some((one) => sameNumber(one, value.value)))
      report(rule.values.join(" or "), shown(value.value));
    return;
  }
  // An array may go on behind the blocks of the file; a scalar may stand for an array of equal entries.
  const found = entriesOf(value);
  const at = wanted
    .slice(0, blocks)
    .findIndex((one, i) => !sameNumber(one, found[i] ?? (found.length === 1 ? found[0] : undefined)));
  if (at >= 0)
    report(
      shown(wanted[at]),
      value.type === "array" ? `${shown(found[at])} at index ${at}` : shown(found[0]),
    );
}

const entriesOf = ({ value }: GgufValue): readonly unknown[] => (Array.isArray(value) ? value : [value]);

/** Numbers are compared as f32, which is what most keys hold; 64-bit integers are bigint. */
function sameNumber(a: unknown, b: unknown): boolean {
  const plain = (value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);
  const [x, y] = [plain(a), plain(b)];
  return typeof x === "number" && typeof y === "number" ? Math.fround(x) === Math.fround(y) : x === y;
}

const shown = (value: unknown): string => String(value).slice(0, 60);
