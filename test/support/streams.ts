import { type HttpClient, openHttpClient } from "../../tools/hub/http-client.ts";
import { openRemoteFolder } from "../../tools/hub/remote-folder.ts";
import { listRepository, type Repository } from "../../tools/hub/repository.ts";
import { hubSettings } from "../../tools/hub/settings.ts";
import { isAtHub, streamRepository } from "../../tools/hub/stream.ts";
import type { QuantizeResult } from "../../tools/quantize/describe.ts";
import { type Conversion, convert } from "./conversions.ts";
import type { TestHub } from "./hub.ts";

/** A repository, reached through connections that end with `use`. */
export async function withRepository<T>(
  { env }: Pick<TestHub, "env">,
  { id, mirror }: { readonly id: string; readonly mirror?: string | undefined },
  use: (repository: Repository, client: HttpClient) => Promise<T>,
): Promise<T> {
  const client = openHttpClient(hubSettings(env), { env });
  try {
    return await use(await listRepository(client, id, mirror ? { mirror } : {}), client);
  } finally {
    await client.close();
  }
}

export interface Streamed extends Omit<Conversion, "source" | "stream"> {
  readonly hub: TestHub;
  readonly id: string;
  readonly mirror?: string;
  readonly windowBytes?: number;
  readonly connections?: number;
  readonly onRetry?: (line: string) => void;
}

/** Runs the stage as `quantize --stream` does. */
export const convertStreamed = ({
  hub,
  id,
  mirror,
  windowBytes = 2 ** 32,
  connections = 4,
  onRetry = () => {},
  ...conversion
}: Streamed): Promise<QuantizeResult> =>
  withRepository(hub, { id, mirror }, (repository, client) =>
    convert({
      ...conversion,
      source: openRemoteFolder(client, repository, { onRetry, baseMs: 1 }),
      stream: {
        from: isAtHub(client, repository) ? "hub" : "other",
        windowBytes,
        open: (reads, path) =>
          streamRepository(client, repository, { reads, path, windowBytes, connections, onRetry, baseMs: 1 }),
      },
    }),
  );
