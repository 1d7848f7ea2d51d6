import type { ArtefactFacts } from "../../model/artefact-facts.ts";
import type { Findings } from "./verdict.ts";

const SHARD = /^model-(\d{5})-of-(\d{5})\.safetensors$/;
const five = (n: number): string => String(n).padStart(5, "0");

/** The rules of a safetensors folder whoever reads it: shard names without a gap, every tensor once, where the index says. */
export function checkFiles(facts: ArtefactFacts, required: readonly string[], findings: Findings): void {
  const { files, weightMap, extraFiles } = facts;
  const single = files.length === 1 && files[0].name === "model.safetensors";
  if (!single)
    for (const [i, { name }] of files.entries()) {
      const expected = `model-${five(i + 1)}-of-${five(files.length)}.safetensors`;
      if (name !== expected)
        findings.problem({
          where: name,
          expected: SHARD.test(name) ? expected : "model-NNNNN-of-NNNNN.safetensors",
          found: name,
          why: "loaders take every shard of the folder, by these names",
        });
    }
  const placed = new Map<string, string>();
  for (const file of files)
    for (const { name } of file.tensors) {
      const other = placed.get(name);
      if (other !== undefined)
        findings.problem({
          where: name,
          expected: "once",
          found: `in ${other} and in ${file.name}`,
          why: "every tensor is stored exactly once",
        });
      placed.set(name, file.name);
      if (weightMap && weightMap.get(name) !== file.name)
        findings.problem({
          where: name,
          expected: weightMap.get(name) ?? "an entry in the index",
          found: file.name,
          why: "model.safetensors.index.json says where a tensor is",
        });
    }
  for (const [name, file] of weightMap ?? [])
    if (!placed.has(name))
      findings.problem({ where: name, expected: file, found: "in no shard", why: "the index lists it" });
  if (extraFiles === undefined) findings.note("the other files of the folder are not known yet");
  else
    for (const name of required)
      if (!extraFiles.includes(name))
        findings.problem({
          where: name,
          expected: "this file",
          found: "missing",
          why: "the engine reads it from the folder",
        });
}
