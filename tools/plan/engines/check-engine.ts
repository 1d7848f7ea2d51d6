import type { ArtefactFacts, ArtefactFile } from "../../model/artefact-facts.ts";
import type { ModelConfig } from "../../model/config.ts";
import { checkFolder } from "./check-folder.ts";
import { checkGguf, checkSidecar } from "./check-gguf.ts";
import { type EngineRules, type GgufEngine, shippedEngines } from "./engine-rules.ts";
import { collectFindings, type EngineVerdict, type Findings } from "./verdict.ts";

/**
 * Whether an engine loads an artefact and computes what the model is, as far as headers tell, before it is made or
 * after. `config` is the model's: of the source where there is one, else the artefact's own.
 */
export function checkEngine(engine: EngineRules, facts: ArtefactFacts, config: ModelConfig): EngineVerdict {
  const { engine: name, version } = engine;
  const findings = collectFindings();
  if (engine.container !== facts.container)
    findings.problem({
      where: "artefact",
      expected: engine.container === "gguf" ? "a GGUF" : "a safetensors folder",
      found: facts.container === "gguf" ? "a GGUF" : "a safetensors folder",
      why: `${name} reads nothing else`,
    });
  else if (engine.container === "gguf") {
    checkGguf(engine, facts, config, findings);
    const sidecar = facts.files.find(({ kind }) => kind === "mtp");
    if (sidecar)
      return withDrafter(
        { engine: name, version, ...findings.result() },
        drafterFindings(engine, sidecar, config),
      );
  } else checkFolder(engine, facts, config, findings);
  return { engine: name, version, ...findings.result() };
}

function drafterFindings(engine: GgufEngine, sidecar: ArtefactFile, config: ModelConfig): Findings {
  const findings = collectFindings();
  checkSidecar(engine, sidecar, config, findings);
  return findings;
}

function withDrafter(verdict: EngineVerdict, findings: Findings): EngineVerdict {
  const { loads, problems, notes } = findings.result();
  return {
    ...verdict,
    drafter: loads,
    problems: [...verdict.problems, ...problems],
    notes: [...new Set([...verdict.notes, ...notes])],
  };
}

/** The verdict of every engine that v4kit knows. */
export function checkAllEngines(facts: ArtefactFacts, config: ModelConfig): EngineVerdict[] {
  return shippedEngines().map((engine) => checkEngine(engine, facts, config));
}
