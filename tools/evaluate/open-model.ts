import type { Backend, BackendIdentity } from "../../evals/backend.ts";
import { parseEndpointUrl } from "../../evals/clients/endpoint-url.ts";
import { type EndpointOptions, openEndpoint } from "../../evals/clients/open-backend.ts";
import { createPromptEncoder, type PromptEncoder } from "../../evals/run/prompts.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { type FoundTokenizer, findProfile, tokenizerSha256 } from "../checkpoint/open-tokenizer.ts";
import { openReferenceBackend } from "../generate/reference-backend.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Numerics } from "../reference/rounding.ts";
import type { ChatProfile, ThinkingMode } from "../tokenizer/chat-types.ts";
import { openTokenizer } from "../tokenizer/tokenizer.ts";

/** Who answers: a server, with prompts that are counted here, or the reference pass. */
export type ModelChoice =
  | { readonly endpoint: EndpointOptions; readonly tokenizer: FoundTokenizer }
  | { readonly checkpoint: string; readonly numerics: Numerics; readonly threads: number };

/** The encoding of April's weights, where nothing says otherwise. */
const DEFAULT_PROFILE: ChatProfile = "v4-preview";

/** The model of an evaluation. */
export interface EvalModel {
  readonly backend: Backend;
  readonly identity: BackendIdentity;
  readonly profile: ChatProfile;
  readonly encoder: PromptEncoder;
  /** Of a checkpoint, or beside the tokenizer of an endpoint. */
  readonly config?: ModelConfig;
  readonly tokenizerSha256: string;
  /** Samples at a time. */
  readonly concurrency: number;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Default: what the config beside the tokenizer says. */
  readonly profile?: ChatProfile;
  readonly mode: ThinkingMode;
  /** Ask nobody: what only the server knows stays open. */
  readonly offline: boolean;
  readonly signal: AbortSignal;
}

/** Opens the model and asks who it is. What cannot work is refused here, before the first token is paid. */
export async function openEvalModel(choice: ModelChoice, options: OpenOptions): Promise<EvalModel> {
  return "endpoint" in choice ? endpointModel(choice, options) : checkpointModel(choice, options);
}

async function endpointModel(
  { endpoint, tokenizer: counted }: Extract<ModelChoice, { endpoint: unknown }>,
  options: OpenOptions,
): Promise<EvalModel> {
  const { tokenizer, sha256, config, profile: found } = counted;
  const profile = options.profile ?? found ?? DEFAULT_PROFILE;
  const encoder = createPromptEncoder(tokenizer, { profile, mode: options.mode });
  const backend = await openEndpoint(endpoint);
  try {
    return {
      backend,
      identity: options.offline ? unasked(endpoint) : await backend.probe(options.signal),
      profile,
      encoder,
      ...(config && { config }),
      tokenizerSha256: sha256,
      concurrency: endpoint.concurrency,
      close: () => backend.close(),
    };
  } catch (error) {
    await backend.close();
    throw error;
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
    const tokenizer = await openTokenizer(source);
    const profile = options.profile ?? (await findProfile(source)) ?? DEFAULT_PROFILE;
    const backend = openReferenceBackend({ source, tokenizer, numerics, threads });
    const close = async (): Promise<void> => {
      await backend.close();
      await source.close();
    };
    return {
      backend,
      identity: await backend.probe(options.signal),
      profile,
      encoder: createPromptEncoder(tokenizer, { profile, mode: options.mode }),
      tokenizerSha256: await tokenizerSha256(source),
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
