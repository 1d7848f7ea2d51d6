import type { ArtefactFacts } from "../../model/artefact-facts.ts";
import type { TensorRole } from "../../model/inventory.ts";
import { shown, valueAt } from "./check-config.ts";
import type { FormatCheck, StoredModule } from "./folder-modules.ts";
import { type NameTest, targetPattern } from "./patterns.ts";
import type { Findings } from "./verdict.ts";

/** Roles whose matrices are linear modules: the only ones that a group can mean. */
const LINEAR: ReadonlySet<TensorRole> = new Set([
  "head",
  "attention",
  "compressor",
  "indexer",
  "router",
  "expert",
  "shared_expert",
  "mtp",
]);

interface Group {
  readonly name: string;
  readonly targets: readonly NameTest[];
  readonly weights: Readonly<Record<string, unknown>>;
}

/**
 * `config_groups` and `ignore` of compressed-tensors against what is stored: every packed matrix is a target of a group
 * of its bits and group size, every FP8 matrix of a group of 8-bit floats in blocks, everything else is ignored or no target.
 */
export const checkConfigGroups: FormatCheck = (facts, modules, findings) => {
  const groups = groupsOf(facts, findings);
  const ignored = patterns(valueAt(facts.config, "quantization_config.ignore"), "ignore", findings);
  for (const module of modules) {
    if (!LINEAR.has(module.spec.role) || !module.encoding) continue;
    const bare = appliedTo(module.name, groups, ignored);
    const prefixed = appliedTo(`model.${module.name}`, groups, ignored);
    if (bare !== prefixed)
      findings.doubt(
        "config_groups and ignore mean other modules with model. before their names, which an engine may put there: begin patterns with re:.*",
      );
    checkGroup(module, bare, findings);
  }
};

const WHERE = "config.json: quantization_config";

function appliedTo(name: string, groups: readonly Group[], ignored: readonly NameTest[]): Group | undefined {
  if (ignored.some((matches) => matches(name))) return undefined;
  return groups.find(({ targets }) => targets.some((matches) => matches(name)));
}

function groupsOf(facts: ArtefactFacts, findings: Findings): Group[] {
  const groups = valueAt(facts.config, "quantization_config.config_groups");
  return Object.entries(typeof groups === "object" && groups !== null ? groups : {}).map(([name, group]) => ({
    name,
    targets: patterns(valueAt(group, "targets"), `${name}.targets`, findings),
    weights: (valueAt(group, "weights") ?? {}) as Record<string, unknown>,
  }));
}

function patterns(entries: unknown, key: string, findings: Findings): NameTest[] {
  if (!Array.isArray(entries)) {
    if (entries !== undefined)
      findings.problem({
        where: `${WHERE}.${key}`,
        expected: "a list",
        found: shown(entries),
        why: "it lists modules",
      });
    return [];
  }
  return entries.flatMap((entry) => {
    const matches = targetPattern(String(entry));
    if (!matches) findings.doubt(`${key}: the pattern ${shown(entry)} cannot be tried`);
    return matches ?? [];
  });
}

/** What the weights of a group must say, by the encoding of its targets. */
const WEIGHTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  int4: { num_bits: 4, type: "int", symmetric: true, strategy: "group" },
  fp8: { num_bits: 8, type: "float", strategy: "block" },
  fp8_f32: { num_bits: 8, type: "float", strategy: "block" },
  fp8_ct: { num_bits: 8, type: "float", strategy: "block" },
};

function checkGroup(
  { name, encoding, shape, pieces, spec }: StoredModule,
  group: Group | undefined,
  findings: Findings,
): void {
  const wanted = WEIGHTS[encoding as string];
  if (!wanted) {
    if (group)
      findings.problem({
        where: `${WHERE}.config_groups.${group.name} for ${name}`,
        expected: "the module ignored or no target",
        found: "a target",
        why: "it is not quantized",
      });
    return;
  }
  if (!group) {
    const why = "a module that no group applies to is read as unquantized";
    if (spec.block.kind === "mtp") findings.doubt(`${encoding}: ${why}`, name);
    else
      findings.problem({
        where: `${WHERE}.config_groups for ${name}`,
        expected: `a group for ${spec.role} stored as ${encoding}`,
        found: "none",
        why,
      });
    return;
  }
  for (const [key, value] of Object.entries(wanted))
    if (group.weights[key] !== value)
      findings.problem({
        where: `${WHERE}.config_groups.${group.name}.weights.${key}`,
        expected: shown(value),
        found: shown(group.weights[key]),
        why: `${spec.role} stored as ${encoding} is a target`,
      });
  const columns = pieces.get(".weight_scale")?.shape.at(-1);
  if (encoding !== "int4" || !columns) return;
  const size = (shape.at(-1) as number) / columns;
  if (group.weights.group_size !== size)
    findings.problem({
      where: `${WHERE}.config_groups.${group.name}.weights.group_size`,
      expected: String(size),
      found: shown(group.weights.group_size),
      why: "the scales have one column per group",
    });
}
