import type { ArtefactFacts } from "../../model/artefact-facts.ts";
import type { ModelConfig } from "../../model/config.ts";
import { checkFolder } from "./check-folder.ts";
import { checkGguf } from "./check-gguf.ts";
import { type EngineRules, shippedEngines } from "./engine-rules.ts";
import { collectFindings, type EngineVerdict } from "./verdict.ts";

/**
 * Whether an engine loads an artefact and computes what the model is, as far as headers tell, before it is made or
 * after. `config` is the model's: of the source where there is one, else the artefact's own.
 */
export function checkEngine(engine: EngineRules, facts: ArtefactFacts, config: ModelConfig): EngineVerdict {
  const findings = collectFindings();
  if (engine.container !== facts.container)
    findings.problem({
      where: "artefact",
      expected: engine.container === "gguf" ? "a GGUF" : "a safetensors folder",
      found: facts.container === "gguf" ? "a GGUF" : "a safetensors folder",
      why: `${engine.engine} reads nothing else`,
    });
  else if (engine.container === "gguf") checkGguf(engine, facts, config, findings);
  else checkFolder(engine, facts, config, findings);
  return findings.verdict(engine.engine, engine.version);
}

/** The verdict of every engine that v4kit knows. */
export function checkAllEngines(facts: ArtefactFacts, config: ModelConfig): EngineVerdict[] {
  return shippedEngines().map((engine) => checkEngine(engine, facts, config));
}
