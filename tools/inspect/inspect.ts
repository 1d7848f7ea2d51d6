import { openCheckpoint } from "../checkpoint/open.ts";
import type { SourceFolder } from "../lib/files.ts";
import { takeCensus } from "../model/census.ts";
import type { ModelConfig } from "../model/config.ts";
import { bytesOf, type CensusSummary, summarise } from "./summary.ts";

export interface InspectReport extends CensusSummary {
  /** Of the repository that was looked at. */
  readonly commit?: string;
  readonly config: ModelConfig;
  /** Every tensor with its class, in census order. */
  readonly tensorList: readonly {
    readonly name: string;
    readonly role: string;
    readonly format: string;
    readonly shape: readonly number[];
    readonly scale?: string;
    readonly byteLength: number;
    readonly file: string;
  }[];
}

/** Takes the census of a checkpoint or artefact; only headers are read. */
export async function inspect(place: string | SourceFolder): Promise<InspectReport> {
  const source = await openCheckpoint(place);
  try {
    const census = takeCensus(source.config, source.tensors, source.location);
    return {
      ...summarise(source, census),
      ...(source.commit && { commit: source.commit }),
      config: source.config,
      tensorList: census.entries.map((entry) => ({
        name: entry.spec.name,
        role: entry.spec.role,
        format: entry.format,
        shape: entry.spec.shape,
        ...(entry.scale && { scale: entry.scale.tensor.name }),
        byteLength: bytesOf(entry),
        file: entry.weight.file,
      })),
    };
  } finally {
    await source.close();
  }
}
