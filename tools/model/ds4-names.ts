import type { CensusEntry } from "./census.ts";

/**
 * Name of a drafter tensor in the sidecar that ds4 reads: `mtp.0.` and the name a layer's tensor has in a GGUF;
 * e_proj and h_proj stay two matrices.
 */
export function ds4DrafterName({ spec }: CensusEntry): string {
  const stem = spec.name.replace(/^mtp\.0\./, "");
  const own = /^(hc_head_|[eh]_proj\.|enorm\.|hnorm\.|norm\.)/.test(stem);
  if (own) return `mtp.0.${stem.endsWith(".weight") ? stem : `${stem}.weight`}`;
  return (spec.gguf as string).replace(/^blk\.\d+\./, "mtp.0.");
}
