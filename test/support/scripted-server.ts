import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll } from "vitest";

export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
}

export type Script = (request: ScriptedRequest, response: ServerResponse) => void | Promise<void>;

export interface ScriptedServer {
  readonly url: string;
  readonly requests: readonly ScriptedRequest[];
}

/** A server in this process that does what a test says, and remembers what it was asked. Ends with the test file. */
export async function scriptedServer(script: Script): Promise<ScriptedServer> {
  const requests: ScriptedRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString();
    const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
    const request = {
      method: incoming.method ?? "",
      path: incoming.url ?? "",
      headers: incoming.headers,
      body,
    };
    requests.push(request);
    await script(request, response);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

export const json = (response: ServerResponse, status: number, value: unknown, headers = {}): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
};

/** Sends pieces of a stream as they are, each in a packet of its own as far as the system allows. */
export async function stream(
  response: ServerResponse,
  pieces: readonly (string | Uint8Array)[],
): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const piece of pieces) {
    response.write(piece);
    await new Promise((next) => setImmediate(next));
  }
  response.end();
}

export const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

/** A model called `m`, and an API that is there: an empty request is refused. Everything else is the script's. */
export function withModel(script: Script, model: object = { id: "m" }): Script {
  return (request, response) => {
    if (request.method === "GET" && request.path.endsWith("/models"))
      return json(response, 200, { object: "list", data: [model] });
    if (request.method === "GET") return json(response, 404, { error: "no such path" });
    if (Object.keys(request.body).length === 0)
      return json(response, 400, { error: { message: "a prompt is required" } });
    return script(request, response);
  };
}
