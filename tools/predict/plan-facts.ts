import type { TensorSource } from "../checkpoint/source.ts";
import type { ArtefactFacts } from "../model/artefact-facts.ts";
import type { OutputPlan } from "../plan/output-plan.ts";
import { isGguf } from "../plan/recipe.ts";
import { configFiles } from "../quantize/folder-config.ts";
import type { FileMetadata } from "../quantize/gguf-metadata.ts";

/** What the headers of an artefact will say, from its plan: the same that a reader finds afterwards. */
export async function factsOfPlan(
  source: TensorSource,
  plan: OutputPlan,
  metadata: readonly FileMetadata[],
): Promise<ArtefactFacts> {
  const files = plan.files.map(({ name, kind, tensors }, i) => {
    const outputs = tensors.flatMap((tensor) => tensor.outputs);
    const own = metadata[i];
    return {
      name,
      kind,
      tensors: outputs.map(({ name: tensor, dtype, shape }) => ({ name: tensor, dtype, shape })),
      ...(own.container === "gguf" && { metadata: own.keys(outputs.map(() => 0)) }),
    };
  });
  if (isGguf(plan.format)) return { container: "gguf", files };
  const json = new Map(
    (await configFiles(source, plan)).map(({ name, bytes }) => [
      name,
      JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>,
    ]),
  );
  const [config, hfQuantConfig] = [json.get("config.json"), json.get("hf_quant_config.json")];
  return {
    container: "safetensors",
    files,
    weightMap: new Map(files.flatMap(({ name, tensors }) => tensors.map((tensor) => [tensor.name, name]))),
    ...(config && { config }),
    ...(hfQuantConfig && { hfQuantConfig }),
  };
}
