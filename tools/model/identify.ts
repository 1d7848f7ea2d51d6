import type { Census } from "./census.ts";

/** The release a checkpoint is by its geometry and storage: never by folder or repository name, which users change. */
export function releaseName({ config, drafter, entries }: Census): string {
  const flash = config.layerCount === 43 && config.hiddenSize === 4096;
  const pro = config.layerCount === 61 && config.hiddenSize === 7168;
  if (!flash && !pro) return `DeepSeek-V4-tiny-${config.layerCount}x${config.hiddenSize}`;
  const base = entries.some(
    ({ spec, format, scale }) => spec.role === "expert" && format === "fp8" && scale?.kind === "f32",
  );
  const size = flash ? "Flash" : "Pro";
  const suffix = base ? "-Base" : drafter === "dspark" ? (flash ? "-0731" : "-0813") : "";
  return `DeepSeek-V4-${size}${suffix}`;
}
