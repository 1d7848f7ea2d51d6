import type { ChatMessage, ThinkingMode, ToolCall } from "../tools/tokenizer/chat-types.ts";

export interface SamplingOptions {
  readonly temperature: number;
  readonly topP: number;
  readonly seed?: number;
  /** Tokens of the reply, reasoning included. */
  readonly maxTokens: number;
  readonly stop?: readonly string[];
}

export interface GenerationRequest {
  readonly messages: readonly ChatMessage[];
  /** The same, rendered by our own encoder. */
  readonly prompt: { readonly text: string; readonly ids: readonly number[] };
  readonly mode: ThinkingMode;
  readonly sampling: SamplingOptions;
  /** What the reply begins with. `prompt` ends with it; a chat server that cannot continue a reply does not get it. */
  readonly answerPrefix?: string;
  /** Log-probabilities of the reply's tokens, where the server has them. */
  readonly wantLogprobs?: boolean;
}

/** Tokens as the server counted them. */
export interface Usage {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly reasoningTokens?: number;
  readonly cachedTokens?: number;
}

export type FinishReason = "stop" | "length" | "content_filter" | "tool_calls" | "refusal";

/** One try of a sample. */
export interface Attempt {
  /** When it began, in milliseconds since 1970. */
  readonly atMs: number;
  readonly elapsedMs: number;
  readonly status?: number;
  /** Why it failed; absent where it did not. */
  readonly message?: string;
  /** What the server counted before the try failed, and so may charge. */
  readonly billedTokens?: number;
}

export interface Generation {
  /** Without `answerPrefix`. A completion is one text: reasoning, if any, is still in it. */
  readonly content: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCall[];
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly servedModel?: string;
  readonly fingerprint?: string;
  readonly firstTokenMs?: number;
  /** Of the try that succeeded. */
  readonly elapsedMs: number;
  /** Natural logarithms, a value per token of the reply. */
  readonly logprobs?: readonly number[];
  /** What was odd, e.g. "prompt_tokens differ: ours 812, server 815". */
  readonly defects: readonly string[];
  /** Every try, also the failed ones. */
  readonly attempts: readonly Attempt[];
}

export interface BackendIdentity {
  readonly kind: string;
  readonly host?: string;
  readonly model: string;
  readonly serverVersion?: string;
  readonly contextTokens?: number;
  readonly checkpoint?: string;
  readonly digest?: string;
  /** What a reader of the results must know, e.g. that the server ignores the temperature when it thinks. */
  readonly notes?: readonly string[];
}

export interface GenerateOptions {
  readonly signal?: AbortSignal;
  /** Called as pieces of the reply arrive; about one token each where the server streams tokens. */
  readonly onTokens?: (count: number) => void;
}

/** A model that continues prompts: behind an endpoint, or the reference pass. */
export interface Backend {
  /** Asks the server who it is and refuses what cannot work, before the first paid token. */
  probe(signal?: AbortSignal): Promise<BackendIdentity>;
  /**
   * One reply. Throws `SampleFailure` where this sample cannot be had, `V4Error` where the run cannot go on: `permission`
   * for a dead key, `temporary` where too many samples fail, `interrupted` after an abort.
   */
  generate(request: GenerationRequest, options?: GenerateOptions): Promise<Generation>;
  close(): Promise<void>;
}

/** One sample that could not be had; the run goes on. */
export class SampleFailure extends Error {
  /** `too_long`: it does not fit the context. `failed`: the same refusal again and again. `infra`: out of tries. */
  readonly kind: "too_long" | "failed" | "infra";
  readonly attempts: readonly Attempt[];

  constructor(kind: SampleFailure["kind"], message: string, attempts: readonly Attempt[]) {
    super(message);
    this.name = "SampleFailure";
    this.kind = kind;
    this.attempts = attempts;
  }
}
