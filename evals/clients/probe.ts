import { inputError, usageError, V4Error } from "../../tools/lib/errors.ts";
import { formatCount } from "../../tools/lib/units.ts";
import { DIALECTS, type Dialect, dialectOfHost, genericDialect } from "./dialects.ts";
import { API_PATHS, type Api, baseCandidates, type EndpointUrl, rootOf } from "./endpoint-url.ts";
import { statusFailure, TryFailure } from "./failures.ts";
import { asObject, defined, type Json } from "./reply.ts";

/** What the endpoint turned out to be. */
export interface Probed {
  readonly base: string;
  readonly api: Api;
  readonly dialect: Dialect;
  readonly serverVersion?: string;
  readonly contextTokens?: number;
}

export interface ProbeAnswer {
  readonly status: number;
  readonly text: string;
}

export interface ProbeOptions {
  readonly url: EndpointUrl;
  readonly model: string;
  /** `--server`: the kind of server, where it is not to be found out. */
  readonly server?: string | undefined;
  /** Tokens that the longest sample needs, reply included. */
  readonly neededTokens?: number | undefined;
  readonly keySource: string;
  readonly redact: (text: string) => string;
  /** One small exchange with the endpoint. */
  readonly ask: (method: "GET" | "POST", url: string, body?: string) => Promise<ProbeAnswer>;
}

/**
 * Asks a server what it is, with requests that cost nothing: its list of models, its version, and an empty request,
 * which shows by its refusal that the path is right and the key is good.
 */
export async function probeEndpoint(options: ProbeOptions): Promise<Probed> {
  const { url, server } = options;
  const tried: string[] = [];
  const { base, models } = await listModels(options, tried);
  const entry = checkModel(models, options);
  const named = server === undefined ? dialectOfHost(url.host) : dialectOfName(server);
  const { dialect, facts } = await recognise(options, {
    base,
    named,
    ownedBy: String(entry?.owned_by ?? ""),
  });
  const { info } = dialect;
  const listed = dialect.listedContext && entry?.[dialect.listedContext];
  const contextTokens =
    countOf(info?.context && memberOf(facts, info.context)) ?? countOf(listed) ?? dialect.contextTokens;
  const version = info?.version && memberOf(facts, info.version);
  checkContext(options, contextTokens);
  const found = await findApi(options, { bases: models ? [base] : baseCandidates(url), dialect, tried });
  return {
    ...found,
    dialect,
    ...defined({
      contextTokens,
      serverVersion: typeof version === "string" ? options.redact(version) : undefined,
    }),
  };
}

function dialectOfName(name: string): Dialect {
  const dialect = DIALECTS.find((one) => one.name === name);
  if (dialect) return dialect;
  throw usageError({
    what: `unknown kind of server "${name}"`,
    expected: DIALECTS.map((one) => one.name).join(", "),
  });
}

async function listModels(
  options: ProbeOptions,
  tried: string[],
): Promise<{ base: string; models?: readonly Json[] }> {
  const { url, ask, keySource, redact } = options;
  const bases = baseCandidates(url);
  for (const base of bases) {
    const address = `${base}/models`;
    const { status, text } = await reached(ask("GET", address + url.query), address);
    refuseDenied({ status, text }, { keySource, redact });
    const parsed = status === 200 ? asObject(parsedOrNothing(text)) : undefined;
    const data = parsed?.data ?? parsed?.models;
    if (Array.isArray(data)) return { base, models: data.map(asObject).filter((one) => one !== undefined) };
    tried.push(`GET ${address} (${status}${status === 200 ? ", no list" : ""})`);
    if (status >= 500 || status === 429)
      throw new V4Error("temporary", {
        what: "the server is not ready",
        found: redact(statusFailure(status, text, undefined).message),
        next: "wait until its model is loaded and run the same command again",
      });
  }
  return { base: bases[0] };
}

function checkModel(models: readonly Json[] | undefined, { model, redact }: ProbeOptions): Json | undefined {
  if (!models) return undefined;
  const ids = models.map(({ id, name }) => String(id ?? name));
  const at = ids.indexOf(model);
  if (at >= 0) return models[at];
  const likely = ids.filter((id) => /deepseek|v4/i.test(id));
  const shown = (likely.length > 0 && ids.length > 8 ? likely : ids).slice(0, 8);
  throw inputError({
    what: `the server has no model "${model}"`,
    expected:
      shown.length > 0
        ? `${redact(shown.join(", "))}${ids.length > shown.length ? ", …" : ""}`
        : "a model; it has none",
    next: "give one of its names with --model",
  });
}

/** The kind of server: as named, by what its list of models says, or by an address that answers as no other's does. */
async function recognise(
  { url, ask }: ProbeOptions,
  {
    base,
    named,
    ownedBy,
  }: { readonly base: string; readonly named: Dialect | undefined; readonly ownedBy: string },
): Promise<{ readonly dialect: Dialect; readonly facts: unknown }> {
  const stated = named ?? DIALECTS.find((dialect) => dialect.ownedBy?.test(ownedBy));
  for (const dialect of stated ? [stated] : DIALECTS) {
    if (!dialect.info) continue;
    const address = rootOf(base) + dialect.info.path + url.query;
    const answer = await ask("GET", address).catch(() => undefined);
    const facts = answer?.status === 200 ? parsedOrNothing(answer.text) : undefined;
    if (facts !== undefined && (stated || memberOf(facts, dialect.info.mark as string) !== undefined))
      return { dialect, facts };
  }
  return { dialect: stated ?? genericDialect(), facts: undefined };
}

function checkContext({ neededTokens, model }: ProbeOptions, contextTokens: number | undefined): void {
  if (neededTokens === undefined || contextTokens === undefined || neededTokens <= contextTokens) return;
  throw usageError({
    what: `the longest sample does not fit the server's context for ${model}`,
    expected: `at most ${formatCount(contextTokens)} tokens`,
    found: `${formatCount(neededTokens)} (prompt and reply)`,
    next: "choose shorter lengths or a smaller reply, or start the server with a larger context",
  });
}

/** Where the API is. Servers refuse an empty request before they compute anything. */
async function findApi(
  options: ProbeOptions,
  found: { readonly bases: readonly string[]; readonly dialect: Dialect; readonly tried: string[] },
): Promise<{ readonly base: string; readonly api: Api }> {
  const { url, ask, keySource, redact } = options;
  for (const api of apisToTry(options, found.dialect))
    for (const base of found.bases) {
      const address = base + API_PATHS[api];
      const { status, text } = await reached(ask("POST", address + url.query, "{}"), address);
      refuseDenied({ status, text }, { keySource, redact });
      if (![404, 405, 501].includes(status) && status < 600 && !(status >= 300 && status < 400))
        return { base, api };
      found.tried.push(`POST ${address} (${status})`);
    }
  throw inputError({
    what: "no API of the kind that is asked for answers at this address",
    found: found.tried.join(", "),
    next: "check the path of --endpoint (often …/v1) and --api",
  });
}

function apisToTry({ url }: ProbeOptions, { rawPrompt, name }: Dialect): readonly Api[] {
  const asked = url.api;
  if (asked === "completions" && rawPrompt === "none")
    throw usageError({
      what: `${name} has no completions of a plain prompt`,
      next: "leave --api out, or give --api chat",
    });
  if (asked) return [asked];
  if (name === "anthropic" || /\/anthropic(\/v1)?$/.test(url.base)) return ["messages"];
  return rawPrompt === "none" ? ["chat"] : ["completions", "chat"];
}

async function reached(answer: Promise<ProbeAnswer>, address: string): Promise<ProbeAnswer> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof TryFailure)) throw error;
    throw new V4Error("unavailable", {
      what: `the endpoint cannot be reached: ${error.message}`,
      file: address,
      next: "check --endpoint, and that the server runs",
    });
  }
}

function refuseDenied(
  { status, text }: ProbeAnswer,
  { keySource, redact }: { readonly keySource: string; readonly redact: (text: string) => string },
): void {
  const failure = status >= 400 ? statusFailure(status, text, undefined) : undefined;
  if (failure?.kind !== "denied") return;
  throw new V4Error("permission", {
    what: `the server does not let us in (${redact(failure.message)})`,
    next: `check the key (${keySource}) and the account's balance`,
  });
}

function parsedOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A member of a member: `default_generation_settings.n_ctx`. */
const memberOf = (value: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((inner, name) => asObject(inner)?.[name], value);

const countOf = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined;
