import { sameShape } from "../../lib/shape.ts";
import type { ArtefactFile } from "../../model/artefact-facts.ts";
import type { ModelConfig } from "../../model/config.ts";
import type { GgufEngine } from "./engine-rules.ts";
import type { Findings } from "./verdict.ts";

/** An engine with its shapes compiled in takes the models it was written for. */
export function checkGeometry(
  { geometries, engine }: GgufEngine,
  config: ModelConfig,
  findings: Findings,
): void {
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

/** One file, or a split set with the names and keys that the engine finds the others by. */
export function checkSplit(
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
  const stated = Number(files[0]?.metadata?.get("split.count")?.value ?? 1);
  if (files.length < 2 && stated < 2) return;
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
      // Only the first file's sum is looked at.
      if (found === undefined && key === "split.tensors.count" && index > 0) continue;
      if (found?.type !== split[key] || Number(found?.value) !== value)
        findings.problem({
          where: `${name}: ${key}`,
          expected: `${split[key]} ${value}`,
          found: found ? `${found.type} ${String(found.value).slice(0, 60)}` : "no such key",
          why: "the files of a split set name their number, their count and the sum of tensors, in these types",
        });
    }
  }
}
