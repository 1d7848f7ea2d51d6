import { formatShape, sameShape } from "../../lib/shape.ts";
import type { ArtefactFacts, FactTensor } from "../../model/artefact-facts.ts";
import type { ModelConfig } from "../../model/config.ts";
import { checkConfigRules, checkGeometry } from "./check-config.ts";
import { checkFiles } from "./check-files.ts";
import { checkConfigGroups } from "./config-groups.ts";
import { type Encoding, type Piece, piecesOf, sameCodes } from "./encodings.ts";
import { type FolderEngine, type FolderFormat, ruleFor } from "./engine-rules.ts";
import {
  drafterOf,
  type FormatCheck,
  officialExperts,
  pieceName,
  type StoredModule,
  storedModules,
  tensorsOfFolder,
} from "./folder-modules.ts";
import { checkMlxQuantization } from "./mlx-quantization.ts";
import { checkModeloptLayers } from "./modelopt-layers.ts";
import type { Findings } from "./verdict.ts";

const CHECKS: Readonly<Record<FolderFormat["checks"][number], FormatCheck>> = {
  "modelopt-layers": checkModeloptLayers,
  "config-groups": checkConfigGroups,
  "mlx-quantization": checkMlxQuantization,
};

/** Checks a safetensors folder. The encoding of its routed experts says which format it is; the rest must be of it too. */
export function checkFolder(
  engine: FolderEngine,
  facts: ArtefactFacts,
  config: ModelConfig,
  findings: Findings,
): void {
  checkFiles(facts, engine.files, findings);
  const tensors = tensorsOfFolder(facts);
  const drafter = drafterOf(tensors);
  const modules = [
    ...storedModules(tensors, config, {
      names: engine.names,
      drafter: engine.names === "mlx" ? "none" : drafter,
    }),
  ];
  const format = formatOf(engine, { tensors, modules }, findings);
  if (!format) return;
  for (const note of format.notes ?? []) findings.note(note);
  if (format.dspark && drafter === "dspark") findings.doubt(format.dspark);
  checkConfig(engine, format, { facts, config }, findings);
  const rules = [...format.tensors, ...engine.tensors];
  const claimed = new Set<string>();
  for (const module of modules) for (const name of checkModule(module, rules, findings)) claimed.add(name);
  for (const name of tensors.keys())
    if (!claimed.has(name))
      findings.problem({
        where: name,
        expected: "only tensors that a module takes",
        found: "one that none takes",
        why: `${engine.engine} has no place for it in the format ${format.name}`,
      });
  checkFused(engine, modules, findings);
  if (facts.config) for (const check of format.checks) CHECKS[check](facts, modules, findings);
}

function formatOf(
  { engine, formats, official }: FolderEngine,
  {
    tensors,
    modules,
  }: { readonly tensors: ReadonlyMap<string, FactTensor>; readonly modules: readonly StoredModule[] },
  findings: Findings,
): FolderFormat | undefined {
  const experts = modules.filter(({ spec }) => spec.role === "expert" && spec.block.kind === "layer");
  const expert = experts.find(({ encoding }) => encoding !== undefined);
  const accepted = formats.filter(({ loads }) => loads !== "no").map(({ name }) => name);
  const refuse = (module: StoredModule, found: string, why: string): void =>
    findings.problem({ where: module.name, expected: accepted.join(" or "), found, why });
  if (!expert?.encoding) {
    const encoding = officialExperts(tensors);
    if (official && encoding && official.encodings.includes(encoding)) {
      findings.doubt(official.why);
      return undefined;
    }
    refuse(
      experts[0],
      "no tensor of this name with a known storage",
      "routed experts decide what the checkpoint is",
    );
    return undefined;
  }
  const { encoding } = expert;
  const format = formats.find((one) => one.experts.includes(encoding));
  if (!format) refuse(expert, `experts stored as ${encoding}`, `${engine} loads no such checkpoint`);
  else if (format.loads === "no") refuse(expert, format.name, format.why);
  else {
    if (format.loads === "unknown") findings.doubt(`${format.name}: ${format.why}`);
    else findings.note(`${format.name}: ${format.why}`);
    return format;
  }
  return undefined;
}

function checkConfig(
  engine: FolderEngine,
  format: FolderFormat,
  { facts, config }: { readonly facts: ArtefactFacts; readonly config: ModelConfig },
  findings: Findings,
): void {
  if (!facts.config) {
    findings.note("config.json is not known yet: its keys were not checked");
    return;
  }
  checkConfigRules(facts, format.config, findings);
  // A key that is missing or renamed is named once, with the engine's reason.
  if (checkConfigRules(facts, engine.config, findings)) checkGeometry(facts, config, findings);
}

/** Checks one matrix against the format's rule for it; returns the tensors that belong to it. */
function checkModule(module: StoredModule, rules: FolderEngine["tensors"], findings: Findings): string[] {
  const { spec, pieces, encoding } = module;
  const present = [...pieces.keys()].map((suffix) => pieceName(module, suffix));
  const rule = ruleFor(rules, spec);
  if (!rule) return present;
  const { why } = rule;
  const codes = (name: Encoding): Piece => piecesOf(name)[0];
  if (encoding === undefined) {
    const piece = codes(rule.encodings[0]);
    const tensor = pieces.get(piece.suffix);
    findings.problem({
      where: pieceName(module, piece.suffix),
      expected: rule.encodings.join(" or "),
      found: tensor ? tensor.dtype : "missing",
      why: tensor ? why : "the model needs it",
    });
    return present;
  }
  if (rule.doubtful?.includes(encoding)) findings.doubt(`${encoding}: ${why}`, module.name);
  const allowed = [...rule.encodings, ...(rule.doubtful ?? [])];
  // Of another encoding with the same codes, the tensor beside them is what is wrong.
  const as = allowed.includes(encoding) ? encoding : allowed.find((other) => sameCodes(other, encoding));
  if (as === undefined) {
    const where = pieceName(module, codes(encoding).suffix);
    findings.problem({ where, expected: rule.encodings.join(" or "), found: encoding, why });
    return present;
  }
  return piecesOf(as).map((piece) => {
    const name = pieceName(module, piece.suffix);
    const dtypes = as === "plain" ? (rule.dtypes ?? piece.dtypes) : piece.dtypes;
    checkPiece(name, pieces.get(piece.suffix), { piece, dtypes, shape: module.shape, why }, findings);
    return name;
  });
}

interface PieceCheck {
  readonly piece: Piece;
  readonly dtypes: readonly string[];
  readonly shape: readonly number[];
  readonly why: string;
}

function checkPiece(
  where: string,
  tensor: FactTensor | undefined,
  { piece, dtypes, shape, why }: PieceCheck,
  findings: Findings,
): void {
  if (!tensor) {
    findings.problem({ where, expected: dtypes.join(" or "), found: "missing", why });
    return;
  }
  if (!dtypes.includes(tensor.dtype))
    findings.problem({ where, expected: dtypes.join(" or "), found: tensor.dtype, why });
  const wanted = pieceShape(piece, shape, tensor.shape);
  if (wanted && !sameShape(wanted, tensor.shape))
    findings.problem({
      where,
      expected: formatShape(wanted),
      found: formatShape(tensor.shape),
      why: "the shape follows from the configuration and the storage",
    });
}

/** The shape that a piece of a matrix must have; a free last axis is taken over where it divides the columns. */
function pieceShape(
  { per, shape: own }: Piece,
  shape: readonly number[],
  found: readonly number[],
): readonly number[] | undefined {
  if (!per) return own;
  const [rows, cols] = per;
  if (shape.length === 1) return shape;
  const in_ = shape.at(-1) as number;
  const last = found.at(-1) ?? 0;
  const columns = cols === "any" ? (last > 0 && in_ % last === 0 ? last : in_) : Math.ceil(in_ / cols);
  return [...shape.slice(0, -2), Math.ceil((shape.at(-2) as number) / rows), columns];
}

/** Members of a module that the engine fuses become one matrix, so they are stored in one way. */
function checkFused(
  { fused, engine }: FolderEngine,
  modules: readonly StoredModule[],
  findings: Findings,
): void {
  const first = new Map<string, { readonly module: StoredModule; readonly storage: string }>();
  for (const module of modules) {
    const group = fused.find((stems) => stems.some((stem) => module.name.endsWith(`.${stem}`)));
    const stem = group?.find((one) => module.name.endsWith(`.${one}`));
    if (!group || stem === undefined || !module.encoding) continue;
    const key = `${module.name.slice(0, -stem.length)}${group.join("+")}`;
    const storage = [...module.pieces].map(([suffix, { dtype }]) => `${suffix} ${dtype}`).join(", ");
    const other = first.get(key);
    if (!other) first.set(key, { module, storage });
    else if (other.storage !== storage)
      findings.problem({
        where: module.name,
        expected: other.storage,
        found: storage,
        why: `${engine} fuses ${group.join(" and ")} into one module, so they share one format`,
      });
  }
}
