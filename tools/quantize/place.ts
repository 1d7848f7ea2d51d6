import { basename, dirname, join } from "node:path";
import { sidecarOf } from "../artefact/manifest-file.ts";
import { usageError } from "../lib/errors.ts";
import type { OutputPlan } from "../plan/output-plan.ts";
import { isGguf } from "../plan/recipe.ts";

/** Where the files of an artefact lie, finished and unfinished. */
export interface ArtefactPlace {
  /** `X.gguf`, or the folder `X`. */
  readonly out: string;
  /** Set where the artefact is a folder: files are written in `partial`, which is renamed as a whole. */
  readonly folder?: { readonly partial: string };
  /** By file of the plan. */
  readonly files: readonly { readonly final: string; readonly partial: string }[];
  /** `X.v4kit`: manifest, journal, table. */
  readonly sidecar: string;
}

/** The output's name where the user gives none. */
export const artefactName = (model: string, { recipe, format }: OutputPlan): string =>
  `${model}-${recipe.name}${isGguf(format) ? ".gguf" : ""}`;

/** Whether a name is one that an artefact with this stem, in whatever format, gives to a file or a folder. */
export function isOutputOf(stem: string, name: string): boolean {
  const bare = name.replace(/\.gguf$/, "").replace(/-\d{5}-of-\d{5}$/, "");
  return name === stem || (name.endsWith(".gguf") && (bare === stem || bare === `mtp-${stem}`));
}

/** Where a folder waits until the one that replaces it has its name. */
export const replacedBy = ({ sidecar }: ArtefactPlace): string => join(sidecar, "replaced");

/** Names every file of a plan for the output that the user named. */
export function placeArtefact(plan: OutputPlan, out: string): ArtefactPlace {
  const gguf = isGguf(plan.format);
  if (gguf !== out.endsWith(".gguf"))
    throw usageError({
      what: gguf ? "the output must be a .gguf file" : "the output must be a folder",
      found: out,
      next: gguf ? "give --out NAME.gguf" : "give --out FOLDER",
    });
  const sidecar = sidecarOf(out);
  if (!gguf) {
    const partial = `${out.replace(/[/\\]+$/, "")}.partial`;
    const files = plan.files.map(({ name }) => ({ final: join(out, name), partial: join(partial, name) }));
    return { out, folder: { partial }, files, sidecar };
  }
  const stem = join(dirname(out), basename(out, ".gguf"));
  const files = plan.files.map(({ kind, name, split }) => {
    const final =
      kind === "mtp"
        ? join(dirname(out), `mtp-${basename(out)}`)
        : split
          ? stem + name.replace(/^model/, "")
          : out;
    return { final, partial: `${final}.partial` };
  });
  return { out: files[0].final, files, sidecar };
}
