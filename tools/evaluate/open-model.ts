import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Backend, BackendIdentity } from "../../evals/backend.ts";
import { parseEndpointUrl } from "../../evals/clients/endpoint-url.ts";
import { type EndpointOptions, openEndpoint } from "../../evals/clients/open-backend.ts";
import { createPromptEncoder, type EncodingTerms, type PromptEncoder } from "../../evals/run/prompts.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { openReferenceBackend } from "../generate/reference-backend.ts";
import { inputError, systemError } from "../lib/errors.ts";
import { readOptionalFile } from "../lib/files.ts";
import { MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES } from "../lib/limits.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { type ModelConfig, parseConfig } from "../model/config.ts";
import type { Numerics } from "../reference/rounding.ts";
import { openTokenizer, type TokenizerSource } from "../tokenizer/tokenizer.ts";

/** Who answers: a server, with prompts counted by a tokenizer of this machine, or the reference pass. */
export type ModelChoice =
  | { readonly endpoint: EndpointOptions; readonly tokenizer: string }
  | { readonly checkpoint: string; readonly numerics: Numerics; readonly threads: number };

/** The model of an evaluation. */
export interface EvalModel {
  readonly backend: Backend;
  readonly identity: BackendIdentity;
  readonly encoder: PromptEncoder;
  /** Of a checkpoint, or beside the tokenizer of an endpoint. */
  readonly config?: ModelConfig;
  readonly tokenizerSha256: string;
  /** Samples at a time. */
  readonly concurrency: number;
  close(): Promise<void>;
}

export interface OpenOptions extends EncodingTerms {
  /** Ask nobody: what only the server knows stays open. */
  readonly offline: boolean;
  readonly signal: AbortSignal;
}

/** Opens the model and asks who it is. What cannot work is refused here, before the first token is paid. */
export async function openEvalModel(choice: ModelChoice, options: OpenOptions): Promise<EvalModel> {
  return "endpoint" in choice ? endpointModel(choice, options) : checkpointModel(choice, options);
}

async function endpointModel(
  { endpoint, tokenizer: place }: Extract<ModelChoice, { endpoint: unknown }>,
  options: OpenOptions,
): Promise<EvalModel> {
  const source = await openTokenizerSource(place);
  try {
    const { encoder, tokenizerSha256 } = await openEncoder(source, options);
    const backend = await openEndpoint(endpoint);
    try {
      const identity = options.offline ? unasked(endpoint) : await backend.probe(options.signal);
      const { concurrency } = endpoint;
      const { config } = source;
      return {
        backend,
        identity,
        encoder,
        ...(config && { config }),
        tokenizerSha256,
        concurrency,
        close: () => backend.close(),
      };
    } catch (error) {
      await backend.close();
      throw error;
    }
  } finally {
    await source.close();
  }
}

function unasked({ url, model, api = "auto" }: EndpointOptions): BackendIdentity {
  return { kind: api === "auto" ? "chat" : api, host: parseEndpointUrl(url).host, model };
}

async function checkpointModel(
  { checkpoint, numerics, threads }: Extract<ModelChoice, { checkpoint: unknown }>,
  options: OpenOptions,
): Promise<EvalModel> {
  const source = await openCheckpoint(checkpoint);
  try {
    const { tokenizer, ...encoding } = await openEncoder(source, options);
    const backend = openReferenceBackend({ source, tokenizer, numerics, threads });
    const close = async (): Promise<void> => {
      await backend.close();
      await source.close();
    };
    return {
      backend,
      identity: await backend.probe(options.signal),
      ...encoding,
      config: source.config,
      // The pass runs one sample at a time, on all its threads.
      concurrency: 1,
      close,
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openEncoder(source: TokenizerSource, terms: EncodingTerms) {
  const tokenizer = await openTokenizer(source);
  const bytes = await source.readSidecar("tokenizer.json", MAX_TOKENIZER_BYTES);
  return {
    tokenizer,
    encoder: createPromptEncoder(tokenizer, terms),
    tokenizerSha256: createHash("sha256")
      .update(bytes ?? "")
      .digest("hex"),
  };
}

interface ClosableSource extends TokenizerSource {
  readonly config?: ModelConfig;
  close(): Promise<void>;
}

/** A GGUF, a folder, or a tokenizer.json itself; weights need not be there. */
async function openTokenizerSource(place: string): Promise<ClosableSource> {
  const facts = await stat(place).catch((error: unknown) => {
    throw systemError(error, place);
  });
  if (facts.isFile() && place.endsWith(".gguf")) return openCheckpoint(place);
  if (facts.isFile() && basename(place) !== "tokenizer.json")
    throw inputError({
      what: "no tokenizer",
      file: place,
      expected: "a checkpoint, its folder, or a file named tokenizer.json",
    });
  const folder = facts.isFile() ? dirname(place) : place;
  const configPath = join(folder, "config.json");
  const config = await readOptionalFile(configPath, MAX_CONFIG_BYTES);
  return {
    location: folder,
    ...(config && { config: parseConfig(parseStrictJson(config, configPath), configPath) }),
    readSidecar: (name, maxBytes) => readOptionalFile(join(folder, name), maxBytes),
    close: async () => {},
  };
}
