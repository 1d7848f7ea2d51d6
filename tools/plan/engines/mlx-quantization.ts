import { isDeepStrictEqual } from "node:util";
import { shown, valueAt } from "./check-config.ts";
import type { FormatCheck, StoredModule } from "./folder-modules.ts";
import type { Findings } from "./verdict.ts";

const WHERE = "config.json: quantization";
/** Widths whose packing is a whole number of codes in a word. */
const WHOLE_BITS = [2, 4, 8];

/** `quantization` says for every quantized module, by its own entry or the defaults, what its tensors are. */
export const checkMlxQuantization: FormatCheck = (facts, modules, findings) => {
  const quantization = valueAt(facts.config, "quantization");
  const twin = valueAt(facts.config, "quantization_config");
  const quantized = modules.some(({ encoding }) => encoding === "mlx_affine" || encoding === "mlx_mxfp4");
  if (typeof quantization !== "object" || quantization === null) {
    if (quantized)
      findings.problem({
        where: WHERE,
        expected: "group_size, bits and mode",
        found: shown(quantization),
        why: "without it modules are made unquantized",
      });
    return;
  }
  if (!isDeepStrictEqual(quantization, twin))
    findings.problem({
      where: "config.json: quantization_config",
      expected: "the same as quantization",
      found: twin === undefined ? "no such key" : "another",
      why: "both spellings are read",
    });
  for (const module of modules) checkEntry(module, quantization as Record<string, unknown>, findings);
};

function checkEntry(module: StoredModule, quantization: Record<string, unknown>, findings: Findings): void {
  const { name, encoding, shape, pieces } = module;
  const entry = Object.hasOwn(quantization, name) ? quantization[name] : undefined;
  const own = typeof entry === "object" && entry !== null;
  const where = own ? `${WHERE}.${name}` : WHERE;
  if (encoding !== "mlx_affine" && encoding !== "mlx_mxfp4") {
    if (own || entry === true)
      findings.problem({ where, expected: "no entry", found: shown(entry), why: "the module has no scales" });
    return;
  }
  if (entry === false) {
    findings.problem({
      where: `${WHERE}.${name}`,
      expected: "an entry, or the defaults",
      found: "false",
      why: "the module is quantized",
    });
    return;
  }
  const said = own ? entry : quantization;
  const [bits, group] = [valueAt(said, "bits"), valueAt(said, "group_size")];
  const mode = valueAt(said, "mode") ?? "affine";
  const expect = (key: string, expected: unknown, found: unknown, why: string): void => {
    if (expected !== found)
      findings.problem({ where: `${where}.${key}`, expected: shown(expected), found: shown(found), why });
  };
  expect("mode", encoding === "mlx_mxfp4" ? "mxfp4" : "affine", mode, `${module.spec.role} is stored so`);
  const columns = shape.at(-1) as number;
  const words = pieces.get(".weight")?.shape.at(-1) ?? 0;
  const groups = pieces.get(".scales")?.shape.at(-1) ?? 0;
  expect("bits", (words * 32) / columns, bits, "its words hold as many bits for each value");
  expect(
    "group_size",
    groups > 0 ? columns / groups : undefined,
    group,
    "its scales have one column per group",
  );
  if (encoding === "mlx_affine" && !WHOLE_BITS.includes(Number(bits)))
    findings.doubt(`how values of ${shown(bits)} bits are packed was not verified`, name);
}
