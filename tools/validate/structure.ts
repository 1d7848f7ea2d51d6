import type { TensorSource } from "../checkpoint/source.ts";
import type { GgufMetadata } from "../formats/gguf/values.ts";
import { V4Error } from "../lib/errors.ts";
import { MAX_TOKENIZER_BYTES } from "../lib/limits.ts";
import { formatShape, sameShape } from "../lib/shape.ts";
import { type Census, takeCensus } from "../model/census.ts";
import type { ModelConfig } from "../model/config.ts";
import { architectureMetadata } from "../model/gguf-config.ts";
import type { StructureFinding } from "./report.ts";

export interface Structure {
  readonly findings: readonly StructureFinding[];
  /** False where the two cannot be compared tensor by tensor and layer by layer. */
  readonly runnable: boolean;
}

/**
 * What headers tell of an artefact beside its source: every tensor there and of its shape, the same geometry in its
 * metadata, the same tokens. Findings are errors, save what is only worth knowing.
 */
export async function checkStructure(artefact: TensorSource, reference?: TensorSource): Promise<Structure> {
  const findings: StructureFinding[] = [];
  const censuses: Census[] = [];
  for (const source of reference ? [reference, artefact] : [artefact])
    try {
      censuses.push(takeCensus(source.config, source.tensors, source.location));
    } catch (error) {
      if (!(error instanceof V4Error)) throw error;
      const { what, tensor, file, expected, found } = error.fault;
      findings.push({
        severity: "error",
        what,
        where: tensor ?? file ?? source.location,
        ...(expected && { expected }),
        ...(found && { found }),
      });
    }
  if (!reference) return { findings, runnable: findings.length === 0 };
  const complete = findings.length === 0;
  // The geometry first: where it is another one, it explains the shapes.
  if (artefact.metadata) compareMetadata(artefact.metadata, reference.config, findings);
  else compareConfigs(artefact.config, reference.config, findings);
  const runnable = complete && compareShapes(censuses, findings);
  await compareTokens(artefact, reference, findings);
  return { findings, runnable };
}

/**
 * Tensors of another shape than in the source, or that it lacks: no value of them can be compared, no layer run in step.
 * A wrong geometry shows in hundreds of tensors, so they are counted and the first is named.
 */
function compareShapes([reference, artefact]: readonly Census[], findings: StructureFinding[]): boolean {
  const shapes = new Map(reference.entries.map(({ spec }) => [spec.name, spec.shape]));
  const strangers = artefact.entries.filter(({ spec }) => !shapes.has(spec.name));
  const misshapen = artefact.entries.filter(({ spec }) => {
    const expected = shapes.get(spec.name);
    return expected && !sameShape(expected, spec.shape);
  });
  const others = (count: number): string => (count === 1 ? "" : `, like ${count - 1} other tensors`);
  if (strangers.length > 0)
    findings.push({
      severity: "error",
      what: `not in the source${others(strangers.length)}`,
      where: strangers[0].spec.name,
    });
  if (misshapen.length > 0) {
    const { name, shape } = misshapen[0].spec;
    findings.push({
      severity: "error",
      what: `not the shape it has in the source${others(misshapen.length)}`,
      where: name,
      expected: formatShape(shapes.get(name) as readonly number[]),
      found: formatShape(shape),
    });
  }
  return (
    strangers.length + misshapen.length === 0 && reference.config.layerCount === artefact.config.layerCount
  );
}

/** Every key that an engine computes with, as we would write it for the source. */
function compareMetadata(metadata: GgufMetadata, config: ModelConfig, findings: StructureFinding[]): void {
  const drafterBlocks = Number(metadata.get("deepseek4.nextn_predict_layers")?.value ?? 0);
  const expected = [
    ...architectureMetadata(config, { drafterBlocks }),
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: config.bosId }] as const,
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: config.eosId }] as const,
  ];
  for (const [key, { value }] of expected) {
    const found = metadata.get(key)?.value;
    if (sameValue(value, found)) continue;
    findings.push({
      severity: "error",
      what: "not what the source says",
      where: key,
      expected: shown(value),
      found: found === undefined ? "no such key" : shown(found),
    });
  }
}

const shown = (value: unknown): string => String(value).slice(0, 60);

/** Fields that a file may lack without harm: they describe the source's storage or its drafter. */
const OPTIONAL = new Set(["fp8Block", "dspark"]);

function compareConfigs(artefact: ModelConfig, reference: ModelConfig, findings: StructureFinding[]): void {
  const trunk = (config: ModelConfig) =>
    flatten({ ...config, compressRatios: config.compressRatios.slice(0, config.layerCount) });
  const [expected, found] = [trunk(reference), trunk(artefact)];
  for (const field of new Set([...expected.keys(), ...found.keys()])) {
    if (OPTIONAL.has(field.split(".")[0])) continue;
    const [a, b] = [expected.get(field), found.get(field)];
    if (!sameValue(a, b))
      findings.push({
        severity: "error",
        what: `another ${field} than the source`,
        where: "config.json",
        expected: shown(a),
        found: shown(b),
      });
  }
}

/** Numbers are compared as f32, which is what a GGUF holds. */
function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((value, i) => sameValue(value, b[i]));
  if (typeof a === "number" && typeof b === "number") return Math.fround(a) === Math.fround(b);
  return a === b;
}

function flatten(config: object, prefix = ""): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  for (const [name, value] of Object.entries(config))
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      for (const [inner, own] of flatten(value, `${prefix}${name}.`)) fields.set(inner, own);
    else fields.set(prefix + name, value);
  return fields;
}

async function compareTokens(
  artefact: TensorSource,
  reference: TensorSource,
  findings: StructureFinding[],
): Promise<void> {
  const [expected, found] = await Promise.all([reference, artefact].map(vocabularyOf));
  if (!expected || !found) {
    const where = expected ? artefact : reference;
    findings.push({
      severity: "note",
      what: "no tokenizer to compare",
      where: where.location,
    });
    return;
  }
  const ids = new Set([...expected.keys(), ...found.keys()]);
  const wrong = [...ids].filter((id) => expected.get(id) !== found.get(id)).sort((a, b) => a - b);
  if (wrong.length > 0)
    findings.push({
      severity: "error",
      what: `${wrong.length} tokens are not those of the source, the first is ${wrong[0]}`,
      where: artefact.layout === "gguf" ? "tokenizer.ggml.tokens" : "tokenizer.json",
      expected: JSON.stringify(expected.get(wrong[0])) ?? "nothing",
      found: JSON.stringify(found.get(wrong[0])) ?? "nothing",
    });
}

async function vocabularyOf(source: TensorSource): Promise<Map<number, string> | undefined> {
  const bytes = await source.readSidecar("tokenizer.json", MAX_TOKENIZER_BYTES);
  if (!bytes) return undefined;
  const { model, added_tokens } = JSON.parse(new TextDecoder().decode(bytes)) as {
    model: { vocab: Record<string, number> };
    added_tokens: { id: number; content: string }[];
  };
  const tokens = new Map(Object.entries(model.vocab).map(([text, id]) => [id, text]));
  for (const { id, content } of added_tokens) tokens.set(id, content);
  return tokens;
}
