import { traitsOf } from "../../formats/dtypes.ts";
import { MAX_GGUF_NAME_BYTES } from "../../lib/limits.ts";
import { formatShape, sameShape } from "../../lib/shape.ts";
import type { ArtefactFacts, ArtefactFile, FactTensor } from "../../model/artefact-facts.ts";
import type { ModelConfig } from "../../model/config.ts";
import { checkGeometry, checkSplit } from "./check-gguf-set.ts";
import { checkKeys, type KeyContext } from "./check-keys.ts";
import { type GgufEngine, type GgufTensorRule, ruleFor } from "./engine-rules.ts";
import { type GgufDemand, modelDemands, sidecarDemands } from "./gguf-layout.ts";
import type { Findings } from "./verdict.ts";

/** Checks a GGUF, or the files of a split one. */
export function checkGguf(
  engine: GgufEngine,
  facts: ArtefactFacts,
  config: ModelConfig,
  findings: Findings,
): void {
  checkGeometry(engine, config, findings);
  const files = facts.files.filter(({ kind }) => kind === "model");
  const tensors = files.flatMap((file) => file.tensors);
  checkSplit(engine, files, tensors.length, findings);
  const combined =
    engine.combined !== false && tensors.some(({ name }) => name.startsWith(`blk.${config.layerCount}.`));
  if (combined) findings.note(engine.combined as string);
  const { tensors: rules, keys } = engine;
  checkTensors(tensors, modelDemands(config, combined), { engine, rules, prefix: "", findings });
  checkFileKeys(files[0], keys, { config, drafterBlocks: combined ? 1 : 0, prefix: "" }, findings);
}

/** Checks a drafter's own file, which an engine may refuse and still load the model. */
export function checkSidecar(
  engine: GgufEngine,
  file: ArtefactFile,
  config: ModelConfig,
  findings: Findings,
): void {
  const prefix = `${file.name}: `;
  const { layout, keys, tensors: rules } = engine.sidecar;
  checkTensors(file.tensors, sidecarDemands(config, layout), { engine, rules, prefix, findings });
  checkFileKeys(file, keys, { config, drafterBlocks: 1, prefix }, findings);
}

function checkFileKeys(
  file: ArtefactFile | undefined,
  keys: GgufEngine["keys"],
  context: KeyContext,
  findings: Findings,
): void {
  if (file?.metadata) checkKeys(file.metadata, keys, context, findings);
  else findings.note(`${context.prefix}the metadata are not known yet: no key was checked`);
}

interface TensorChecks {
  readonly engine: GgufEngine;
  readonly rules: readonly GgufTensorRule[];
  readonly prefix: string;
  readonly findings: Findings;
}

function checkTensors(
  tensors: readonly FactTensor[],
  demands: readonly GgufDemand[],
  checks: TensorChecks,
): void {
  const { prefix, findings } = checks;
  const { strangers } = checks.engine;
  const stored = new Map<string, FactTensor>();
  for (const tensor of tensors) {
    const where = prefix + tensor.name;
    if (stored.has(tensor.name))
      findings.problem({ where, expected: "once", found: "twice", why: "tensor names are unique" });
    stored.set(tensor.name, tensor);
    const byteLength = Buffer.byteLength(tensor.name);
    if (byteLength > MAX_GGUF_NAME_BYTES)
      findings.problem({
        where,
        expected: `at most ${MAX_GGUF_NAME_BYTES} bytes`,
        found: `${byteLength} bytes`,
        why: "the loader refuses longer tensor names",
      });
  }
  const wanted = new Map(demands.map((demand) => [demand.name, demand]));
  for (const demand of demands) {
    const tensor = stored.get(demand.name);
    if (tensor) checkTensor(tensor, demand, checks);
    else
      findings.problem({
        where: prefix + demand.name,
        expected: "this tensor",
        found: "missing",
        why: "the model needs it",
      });
  }
  for (const name of stored.keys())
    if (!wanted.has(name) && !strangers.ignored.some((pattern) => new RegExp(pattern).test(name)))
      findings.problem({
        where: prefix + name,
        expected: "only tensors of the architecture",
        found: "an unknown one",
        why: strangers.why,
      });
  checkSame(stored, demands, checks);
}

function checkTensor(
  { name, dtype, shape }: FactTensor,
  demand: GgufDemand,
  { rules, prefix, findings }: TensorChecks,
): void {
  const where = prefix + name;
  if (!sameShape(shape, demand.shape))
    findings.problem({
      where,
      expected: formatShape(demand.shape),
      found: formatShape(shape),
      why: "the shape follows from the configuration",
    });
  const { blockLength } = traitsOf(dtype);
  if ((shape.at(-1) ?? 0) % blockLength !== 0)
    findings.problem({
      where,
      expected: `rows of a multiple of ${blockLength}`,
      found: formatShape(shape),
      why: `a row is whole blocks of ${dtype}`,
    });
  const rule = ruleFor(rules, demand.spec);
  if (!rule) return;
  if (rule.doubtful?.includes(dtype)) findings.doubt(`${dtype}: ${rule.why}`, where);
  else if (!rule.dtypes.includes(dtype))
    findings.problem({ where, expected: listed(rule.dtypes), found: dtype, why: rule.why });
  else if (rule.prefer && !rule.prefer.includes(dtype)) findings.note(`${dtype}: ${rule.why}`, where);
}

/** Long lists of block formats would hide what matters. */
const listed = (dtypes: readonly string[]): string =>
  dtypes.length > 6 ? "a floating-point or block format" : dtypes.join(" or ");

function checkSame(
  stored: ReadonlyMap<string, FactTensor>,
  demands: readonly GgufDemand[],
  { engine, prefix, findings }: TensorChecks,
): void {
  for (const group of engine.same) {
    const first = new Map<string, FactTensor>();
    for (const { name, spec } of demands) {
      const tensor = stored.get(name);
      if (!tensor || spec.role !== "expert" || spec.block.kind === "root" || !group.includes(spec.part))
        continue;
      const key = `${spec.block.kind}.${spec.block.index}`;
      const other = first.get(key);
      if (!other) first.set(key, tensor);
      else if (other.dtype !== tensor.dtype)
        findings.problem({
          where: prefix + name,
          expected: other.dtype,
          found: tensor.dtype,
          why: "gate and up experts of a layer share one type",
        });
    }
  }
}
