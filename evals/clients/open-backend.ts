import { randomUUID } from "node:crypto";
import { usageError, V4Error } from "../../tools/lib/errors.ts";
import type { ThinkingMode } from "../../tools/tokenizer/chat-types.ts";
import type { Backend, BackendIdentity, GenerateOptions, Generation, GenerationRequest } from "../backend.ts";
import { type KeyChoice, readApiKey, redactorOf } from "./api-key.ts";
import { openBreaker } from "./breaker.ts";
import { oddities, withoutKey, withShortNames } from "./clean-reply.ts";
import { dialectOfHost } from "./dialects.ts";
import { API_PATHS, type Api, type EndpointUrl, isLoopback, parseEndpointUrl } from "./endpoint-url.ts";
import { readEvents, readText } from "./event-stream.ts";
import { statusFailure, TryFailure } from "./failures.ts";
import { messagesReader } from "./messages-reply.ts";
import { openAiReader } from "./openai-reply.ts";
import { openPace } from "./pace.ts";
import { type Probed, probeEndpoint } from "./probe.ts";
import { defined, type Reply } from "./reply.ts";
import { requestBody, takesPrefix } from "./request-body.ts";
import { RETRY_RULES, type RetryRules, trySample } from "./sample.ts";
import { openWire, type WireAnswer, type WireLimits } from "./wire.ts";

export interface EndpointOptions {
  /** `--endpoint`. */
  readonly url: string;
  readonly model: string;
  readonly api?: Api | "auto";
  /** The kind of server, where it is not to be found out: a name of `DIALECTS`. */
  readonly server?: string;
  /** Where the key is, besides the usual variable of a hosted service. */
  readonly key?: Pick<KeyChoice, "variable" | "file" | "optional">;
  /** Requests at a time, at most. */
  readonly concurrency: number;
  readonly requestsPerMinute?: number;
  /** Tokens of the longest prompt and its reply: more than the server's context is refused by `probe`. */
  readonly neededTokens?: number;
  /** Keep replies from using what an earlier one left in the server's cache, where it can be told to. */
  readonly withoutCache?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  readonly limits?: Partial<WireLimits>;
  readonly rules?: Partial<RetryRules>;
}

const CONNECT_MS = 10_000;
const IDLE_MS = 120_000;
/** Lists of models and refusals come at once. */
const PROBE_MS = 30_000;
const ANTHROPIC_VERSION = "2023-06-01";
const MAX_ERROR_BYTES = 65_536;

const HOUR_MS = 3_600_000;
/** The longest that a sample may take, by what it thinks (evals spec 5.2). */
const SAMPLE_MS: Readonly<Record<ThinkingMode, number>> = {
  nonthink: HOUR_MS / 6,
  low: HOUR_MS / 2,
  high: 2 * HOUR_MS,
  max: 8 * HOUR_MS,
};

/**
 * A model behind an endpoint. `probe` comes first; without it `generate` does it. Nothing is sent before, and no key is
 * read from a variable that belongs to another service.
 */
export async function openEndpoint(options: EndpointOptions): Promise<Backend> {
  const { model, concurrency, env = process.env } = options;
  if (!Number.isSafeInteger(concurrency) || concurrency < 1)
    throw usageError({
      what: "--concurrency must be a whole number of at least 1",
      found: String(concurrency),
    });
  if (options.requestsPerMinute !== undefined && !(options.requestsPerMinute > 0))
    throw usageError({ what: "--requests-per-minute must be more than 0" });
  const parsed = parseEndpointUrl(options.url);
  const url = options.api === undefined || options.api === "auto" ? parsed : { ...parsed, api: options.api };
  const usualVariable = dialectOfHost(url.host)?.keyVariable;
  const key = await readApiKey({ ...options.key, ...defined({ usualVariable }) }, env);
  if (key !== undefined && options.url.includes(key))
    throw usageError({ what: "--endpoint holds the key", next: "take it out of the URL" });
  const keySource = options.key?.file ?? options.key?.variable ?? usualVariable ?? "none was given";
  const headers = headersOf(url, key);
  const redact = redactorOf(key);
  const breaker = openBreaker();
  const probeWire = openWire(
    {
      connectMs: CONNECT_MS,
      firstByteMs: PROBE_MS,
      idleMs: PROBE_MS,
      ...options.limits,
    },
    env,
  );

  const ask = (method: "GET" | "POST", address: string, body?: string, signal?: AbortSignal) =>
    probeWire.exchange(
      { method, url: address, headers, signal, ...defined({ body }) },
      async ({ status, chunks }) => ({ status, text: await readText(chunks) }),
    );

  const open = (probed: Probed) => {
    const { dialect } = probed;
    const most = Math.min(concurrency, dialect.parallel ?? concurrency);
    return {
      ...probed,
      wire: openWire(
        {
          connectMs: CONNECT_MS,
          firstByteMs: dialect.firstByteMs,
          idleMs: IDLE_MS,
          ...options.limits,
        },
        env,
      ),
      pace: openPace({ most, perMinute: options.requestsPerMinute }),
    };
  };
  let opened: Promise<ReturnType<typeof open>> | undefined;
  const session = (signal?: AbortSignal) => {
    opened ??= probeEndpoint({
      ...options,
      url,
      server: options.server,
      keySource,
      redact: redact.message,
      neededTokens: options.neededTokens,
      ask: (method, address, body) => ask(method, address, body, signal),
    }).then(open);
    return opened;
  };

  const generate = async (request: GenerationRequest, wanted: GenerateOptions = {}): Promise<Generation> => {
    breaker.check();
    const { base, api, dialect, wire, pace, contextTokens } = await session(wanted.signal);
    if (request.mode === "max" && (contextTokens ?? Infinity) < (dialect.maxNeedsContext ?? 0))
      throw usageError({
        what: `${dialect.name} does not think at "max" in this context`,
        expected: `at least ${dialect.maxNeedsContext} tokens of context`,
        found: String(contextTokens),
        next: "start the server with a larger --ctx, or choose --mode high",
      });
    const salt = options.withoutCache ? randomUUID() : undefined;
    const body = JSON.stringify(requestBody(request, { api, dialect, model, salt }));
    const once = async (signal: AbortSignal) => {
      const startedMs = performance.now();
      let firstTokenMs: number | undefined;
      const onTokens = (count: number): void => {
        firstTokenMs ??= Math.round(performance.now() - startedMs);
        wanted.onTokens?.(count);
      };
      const reply = await wire.exchange(
        { method: "POST", url: base + API_PATHS[api] + url.query, headers, body, signal },
        (answer) => readReply(answer, api, onTokens),
      );
      return { reply, elapsedMs: Math.round(performance.now() - startedMs), ...defined({ firstTokenMs }) };
    };
    const { value, attempts } = await trySample(once, {
      pace,
      breaker,
      rules: { ...RETRY_RULES, ...options.rules },
      limitMs: SAMPLE_MS[request.mode],
      redact: redact.message,
      keySource,
      signal: wanted.signal,
    });
    const { reply: said, ...times } = value;
    const reply = withShortNames(said);
    const defects = [
      ...reply.defects,
      ...oddities(request, reply, { model, prefixSent: takesPrefix({ api, dialect }) }),
    ];
    return withoutKey({ ...reply, ...times, defects, attempts }, redact.reply);
  };

  return {
    async probe(signal) {
      const { api, dialect, serverVersion, contextTokens } = await session(signal);
      const bare = key !== undefined && url.base.startsWith("http:") && !isLoopback(url.host);
      const notes = [...(dialect.notes ?? []), ...(bare ? ["the key travels unencrypted (http)"] : [])];
      const identity: BackendIdentity = { kind: `${dialect.name} ${api}`, host: url.host, model, notes };
      return { ...identity, ...defined({ serverVersion, contextTokens }) };
    },
    generate,
    async close() {
      breaker.trip(new V4Error("bug", { what: "a sample was asked of a closed back-end" }));
      await probeWire.close();
      await opened?.then(
        ({ wire }) => wire.close(),
        () => {},
      );
    },
  };
}

/** Anthropic itself refuses a bearer; others that speak its form read either header, so they get both. */
function headersOf(
  { host, base, api }: EndpointUrl,
  key: string | undefined,
): Readonly<Record<string, string>> {
  const itself = dialectOfHost(host)?.name === "anthropic";
  const itsForm = itself || api === "messages" || base.includes("/anthropic");
  return {
    "content-type": "application/json",
    accept: "text/event-stream, application/json",
    ...(itsForm && { "anthropic-version": ANTHROPIC_VERSION }),
    ...(key !== undefined && itsForm && { "x-api-key": key }),
    ...(key !== undefined && !itself && { authorization: `Bearer ${key}` }),
  };
}

async function readReply(answer: WireAnswer, api: Api, onTokens: (count: number) => void): Promise<Reply> {
  if (answer.status !== 200) {
    const text = await readText(answer.chunks, MAX_ERROR_BYTES);
    throw statusFailure(answer.status, text, answer.header("retry-after"));
  }
  const reader = api === "messages" ? messagesReader(onTokens) : openAiReader(onTokens);
  try {
    for await (const event of readEvents(answer.chunks)) {
      reader.push(event);
      if (reader.ended) answer.finish();
    }
    return reader.result();
  } catch (error) {
    const { billedTokens } = reader;
    if (!(error instanceof TryFailure) || billedTokens === undefined) throw error;
    throw new TryFailure(error.kind, error.message, { ...error.facts, billedTokens });
  }
}
