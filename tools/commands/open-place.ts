import type { HttpClient } from "../hub/http-client.ts";
import type { Repository } from "../hub/repository.ts";
import type { ResolvedSource } from "../hub/resolve.ts";
import type { SourceFolder } from "../lib/files.ts";

/** A source that lies elsewhere, and what it is reached through. */
export interface Elsewhere {
  readonly client: HttpClient;
  readonly repository: Repository;
}

/** A source that a stage can open. */
export interface Place {
  readonly name: string;
  readonly place: string | SourceFolder;
  readonly elsewhere?: Elsewhere;
}

export interface PlaceOptions {
  readonly mirror?: string | undefined;
  readonly signal?: AbortSignal;
  readonly onRetry?: (line: string) => void;
}

/** Lists a source that lies elsewhere and hands it on as a folder; its connections end with `use`. */
export async function withPlace<T>(
  source: ResolvedSource,
  { mirror, ...options }: PlaceOptions,
  use: (place: Place) => Promise<T>,
): Promise<T> {
  const { name } = source;
  if ("path" in source) return use({ name, place: source.path });
  const { openHttpClient } = await import("../hub/http-client.ts");
  const { openRemoteFolder } = await import("../hub/remote-folder.ts");
  const { listRepository } = await import("../hub/repository.ts");
  const { hubSettings } = await import("../hub/settings.ts");
  const { id, revision } = source.remote;
  const client = openHttpClient(hubSettings());
  try {
    const repository = await listRepository(client, id, {
      ...options,
      ...(revision && { revision }),
      ...(mirror !== undefined && { mirror }),
    });
    const place = openRemoteFolder(client, repository, options);
    return await use({ name, place, elsewhere: { client, repository } });
  } finally {
    await client.close();
  }
}
