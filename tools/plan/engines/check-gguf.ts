import { traitsOf } from "../../formats/dtypes.ts";
import { MAX_GGUF_NAME_BYTES } from "../../lib/limits.ts";
import { formatShape, sameShape } from "../../lib/shape.ts";
import type { ArtefactFacts, ArtefactFile, FactTensor } from "../../model/artefact-facts.ts";
import type { ModelConfig } from "../../model/config.ts";
import { checkKeys } from "./check-keys.ts";
import { type GgufEngine, type GgufTensorRule, ruleFor } from "./engine-rules.ts";
import { type GgufDemand, modelDemands, sidecarDemands } from "./gguf-layout.ts";
import type { Findings } from "./verdict.ts";

/** Checks a GGUF, or the files of a split one, and a drafter's sidecar beside it. */
export function checkGguf(
  engine: GgufEngine,
  facts: ArtefactFacts,
  config: ModelConfig,
  findings: Findings,
): void {
  checkGeometry(engine, config, findings);
  const model = facts.files.filter(({ kind }) => kind === "model");
  const tensors = model.flatMap((file) => file.tensors);
  checkSplit(engine, model, tensors.length, findings);
  const own = `blk.${config.layerCount}.`;
  const inside = tensors.find(({ name }) => name.startsWith(own));
  const combined = inside !== undefined && engine.combined !== false;
  if (typeof engine.combined === "string" && combined) findings.note(engine.combined);
  checkTensors(tensors, modelDemands(config, combined), {
    rules: engine.tensors,
    same: engine.same,
    strangers: engine.strangers,
    prefix: "",
    findings,
  });
  checkFileKeys(model[0], engine.keys, { config, drafterBlocks: combined ? 1 : 0, prefix: "" }, findings);
  for (const file of facts.files) {
    if (file.kind !== "mtp") continue;
    const prefix = `${file.name}: `;
    const { layout, keys, tensors: rules } = engine.sidecar;
    checkTensors(file.tensors, sidecarDemands(config, layout), {
      rules,
      same: engine.same,
      strangers: engine.strangers,
      prefix,
      findings,
    });
    checkFileKeys(file, keys, { config, drafterBlocks: 1, prefix }, findings);
  }
}

function checkFileKeys(
  file: ArtefactFile | undefined,
  keys: GgufEngine["keys"],
  context: Parameters<typeof checkKeys>[2],
  findings: Findings,
): void {
  if (file?.metadata) checkKeys(file.metadata, keys, context, findings);
  else findings.note(`${context.prefix}the metadata are not known yet: its keys were not checked`);
}

function checkGeometry({ geometries, engine }: GgufEngine, config: ModelConfig, findings: Findings): void {
  if (!geometries) return;
  const field = (path: string): unknown =>
    path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], config);
  const differs = ({ fields }: (typeof geometries)[number]): string | undefined =>
    Object.keys(fields).find((path) => {
      const [wanted, found] = [fields[path], field(path)];
      return Array.isArray(wanted)
        ? !sameShape(wanted, (found as number[]).slice(0, wanted.length))
        : wanted !== found;
    });
  const match = geometries.find((geometry) => differs(geometry) === undefined);
  if (match) {
    if (match.note) findings.note(match.note);
    return;
  }
  const [nearest] = geometries;
  const path = differs(nearest) as string;
  findings.problem({
    where: "geometry",
    expected: geometries.map(({ name }) => name).join(" or "),
    found: `${path} ${String(field(path)).slice(0, 60)}, ${nearest.name} has ${String(nearest.fields[path]).slice(0, 60)}`,
    why: `${engine} has its shapes compiled in`,
  });
}

const PART_NAME = /^(.+)-(\d{5})-of-(\d{5})\.gguf$/;
const five = (n: number): string => String(n).padStart(5, "0");

function checkSplit(
  { split, engine }: GgufEngine,
  files: readonly ArtefactFile[],
  tensorCount: number,
  findings: Findings,
): void {
  if (split === false) {
    const keys = files.some(({ metadata }) => Number(metadata?.get("split.count")?.value ?? 1) > 1);
    if (files.length > 1 || keys)
      findings.problem({
        where: files[0].name,
        expected: "one file",
        found: keys && files.length === 1 ? "a file of a split set" : `${files.length} files`,
        why: `${engine} opens one file only`,
      });
    return;
  }
  if (files.length < 2) return;
  const prefix = PART_NAME.exec(files[0].name)?.[1] ?? "NAME";
  const values = (index: number): Record<string, number> => ({
    "split.no": index,
    "split.count": files.length,
    "split.tensors.count": tensorCount,
  });
  for (const [index, { name, metadata }] of files.entries()) {
    const expected = `${prefix}-${five(index + 1)}-of-${five(files.length)}.gguf`;
    if (name !== expected)
      findings.problem({
        where: name,
        expected,
        found: name,
        why: "the names of the other files are made from the first one's",
      });
    if (!metadata) continue;
    for (const [key, value] of Object.entries(values(index))) {
      const found = metadata.get(key);
      if (found?.type !== split[key] || Number(found?.value) !== value)
        findings.problem({
          where: `${name}: ${key}`,
          expected: `${split[key]} ${value}`,
          found: found ? `${found.type} ${String(found.value).slice(0, 60)}` : "no such key",
          why: "every file of a split set names its number, their count and the sum of tensors, in these types",
        });
    }
  }
}

interface TensorChecks {
  readonly rules: readonly GgufTensorRule[];
  readonly same: GgufEngine["same"];
  readonly strangers: GgufEngine["strangers"];
  readonly prefix: string;
  readonly findings: Findings;
}

function checkTensors(
  tensors: readonly FactTensor[],
  demands: readonly GgufDemand[],
  { rules, same, strangers, prefix, findings }: TensorChecks,
): void {
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
    if (tensor) checkTensor(tensor, demand, { rules, prefix, findings });
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
  checkSame(stored, demands, { same, prefix, findings });
}

function checkTensor(
  { name, dtype, shape }: FactTensor,
  demand: GgufDemand,
  { rules, prefix, findings }: Pick<TensorChecks, "rules" | "prefix" | "findings">,
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
  if (rule.doubtful?.includes(dtype))
    findings.doubt(`${demand.spec.role} ${demand.spec.part} is ${dtype}: ${rule.why}`);
  else if (!rule.dtypes.includes(dtype))
    findings.problem({ where, expected: listed(rule.dtypes), found: dtype, why: rule.why });
  else if (rule.prefer && !rule.prefer.includes(dtype))
    findings.note(`${demand.spec.role} ${demand.spec.part} is ${dtype}: ${rule.why}`);
}

/** Long lists of block formats would hide what matters. */
const listed = (dtypes: readonly string[]): string =>
  dtypes.length > 6 ? "a floating-point or block format" : dtypes.join(" or ");

function checkSame(
  stored: ReadonlyMap<string, FactTensor>,
  demands: readonly GgufDemand[],
  { same, prefix, findings }: Pick<TensorChecks, "same" | "prefix" | "findings">,
): void {
  for (const group of same) {
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
