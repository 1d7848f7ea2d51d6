import type { ThinkingMode } from "../../tools/tokenizer/chat-types.ts";
import type { Json } from "./reply.ts";

/**
 * How servers of one kind are recognised and spoken to: all that differs between them (evals spec 5.1). A service is
 * known by its host; a program by `owned_by` in its list of models, or by the answer of an address that it alone has.
 */
export interface Dialect {
  readonly name: string;
  readonly hosts?: readonly string[];
  readonly ownedBy?: RegExp;
  /** An address beside the API, and where its answer has what; `mark` is a member that no other server's answer has. */
  readonly info?: {
    readonly path: string;
    readonly mark?: string;
    readonly version?: string;
    readonly context?: string;
  };
  /** The usual variable of the key. A program of one's own has none: a key must be named to be sent there. */
  readonly keyVariable?: string;
  /** What `/completions` takes as the prompt; `none`: it is missing, or wraps the text in a template of its own. */
  readonly rawPrompt: "ids" | "text" | "none";
  /** Members of a chat request that choose how much the model thinks. A mode that is missing cannot be had. */
  readonly thinking: Readonly<Partial<Record<ThinkingMode, Json>>>;
  /** The member that takes the seed, where there is one. */
  readonly seed?: string;
  /** Members that keep a reply from using what an earlier one left in the cache. `salt` is new for every request. */
  readonly withoutCache?: (salt: string) => Json;
  readonly logprobs?: { readonly chat: Json; readonly completions?: Json };
  /** Members that make the reply continue the last message, an assistant's. */
  readonly prefill?: Json;
  /** Where the list of models has the length of the context, in tokens. */
  readonly listedContext?: string;
  /** The length of the context where the server does not say it. */
  readonly contextTokens?: number;
  /** Requests that it works on at a time. */
  readonly parallel?: number;
  /** Waits for the first byte no longer than this. A program of one's own may compute a long prompt for hours. */
  readonly firstByteMs: number;
  /** Other members of a completion, e.g. what keeps special tokens in its text, which we parse. */
  readonly completions?: Json;
  readonly notes?: readonly string[];
  /** `max` needs at least this context, else the server silently thinks less. */
  readonly maxNeedsContext?: number;
}

const HOSTED_FIRST_BYTE_MS = 900_000;
const CHAT_LOGPROBS = { logprobs: true, top_logprobs: 0 };

const templateThinking = (kwargs: (thinks: boolean) => Json, effort: (level: string) => Json) => ({
  nonthink: { chat_template_kwargs: kwargs(false) },
  low: effort("low"),
  high: effort("high"),
  max: effort("max"),
});

const typedThinking = {
  nonthink: { thinking: { type: "disabled" } },
  low: { thinking: { type: "enabled" }, reasoning_effort: "low" },
  high: { thinking: { type: "enabled" }, reasoning_effort: "high" },
  max: { thinking: { type: "enabled" }, reasoning_effort: "max" },
};

/** What is spoken where nothing is recognised: OpenAI's form, thinking as most templates take it. */
const GENERIC: Dialect = {
  name: "openai",
  rawPrompt: "text",
  thinking: templateThinking(
    (thinking) => ({ thinking, enable_thinking: thinking }),
    (level) => ({
      chat_template_kwargs: { thinking: true, enable_thinking: true, reasoning_effort: level },
      reasoning_effort: level,
    }),
  ),
  seed: "seed",
  logprobs: { chat: CHAT_LOGPROBS, completions: { logprobs: 1 } },
  listedContext: "context_length",
  firstByteMs: 0,
  notes: [
    "the kind of server is not known: whether it takes the thinking mode shows in the count of prompt tokens",
  ],
};

export const DIALECTS: readonly Dialect[] = [
  {
    name: "deepseek",
    hosts: ["api.deepseek.com"],
    keyVariable: "DEEPSEEK_API_KEY",
    rawPrompt: "none",
    thinking: typedThinking,
    withoutCache: (salt) => ({ user_id: salt }),
    logprobs: { chat: CHAT_LOGPROBS },
    contextTokens: 1_048_576,
    firstByteMs: HOSTED_FIRST_BYTE_MS,
    notes: [
      "the server ignores temperature and top_p when the model thinks, and has no seed",
      "the service replaces the weights behind a model's name: it is no reference for earlier releases",
    ],
  },
  {
    name: "openrouter",
    hosts: ["openrouter.ai"],
    keyVariable: "OPENROUTER_API_KEY",
    rawPrompt: "none",
    thinking: {
      nonthink: { reasoning: { enabled: false } },
      low: { reasoning: { effort: "low" } },
      high: { reasoning: { effort: "high" } },
      max: { reasoning: { effort: "xhigh" } },
    },
    seed: "seed",
    logprobs: { chat: CHAT_LOGPROBS },
    prefill: {},
    listedContext: "context_length",
    firstByteMs: HOSTED_FIRST_BYTE_MS,
    notes: ["another provider may answer each request: their weights, templates and limits differ"],
  },
  {
    name: "anthropic",
    hosts: ["api.anthropic.com"],
    keyVariable: "ANTHROPIC_API_KEY",
    rawPrompt: "none",
    thinking: {},
    firstByteMs: HOSTED_FIRST_BYTE_MS,
  },
  {
    name: "openai-service",
    hosts: ["api.openai.com"],
    keyVariable: "OPENAI_API_KEY",
    rawPrompt: "none",
    thinking: {
      nonthink: { reasoning_effort: "none" },
      low: { reasoning_effort: "low" },
      high: { reasoning_effort: "high" },
      max: { reasoning_effort: "xhigh" },
    },
    seed: "seed",
    logprobs: { chat: CHAT_LOGPROBS },
    firstByteMs: HOSTED_FIRST_BYTE_MS,
  },
  {
    name: "ds4-server",
    ownedBy: /^ds4/,
    rawPrompt: "none",
    thinking: typedThinking,
    seed: "seed",
    listedContext: "context_length",
    parallel: 1,
    firstByteMs: 0,
    maxNeedsContext: 393_216,
    notes: [
      "the server samples with temperature 1, top_p 1 and min_p 0.05 when the model thinks, whatever is asked",
    ],
  },
  {
    name: "llama.cpp",
    ownedBy: /^llamacpp$/,
    info: {
      path: "/props",
      mark: "default_generation_settings",
      version: "build_info",
      context: "default_generation_settings.n_ctx",
    },
    rawPrompt: "ids",
    thinking: templateThinking(
      (thinks) => ({ enable_thinking: thinks }),
      (level) => ({ chat_template_kwargs: { enable_thinking: true, reasoning_effort: level } }),
    ),
    seed: "seed",
    withoutCache: () => ({ cache_prompt: false }),
    logprobs: { chat: CHAT_LOGPROBS, completions: { logprobs: 1 } },
    prefill: {},
    firstByteMs: 0,
  },
  {
    name: "sglang",
    ownedBy: /^sglang$/,
    info: {
      path: "/get_server_info",
      mark: "mem_fraction_static",
      version: "version",
      context: "context_length",
    },
    rawPrompt: "ids",
    completions: { skip_special_tokens: false },
    thinking: templateThinking(
      (thinking) => ({ thinking }),
      (level) => ({ chat_template_kwargs: { thinking: true }, reasoning_effort: level }),
    ),
    seed: "seed",
    logprobs: { chat: CHAT_LOGPROBS, completions: { logprobs: 1 } },
    prefill: { continue_final_message: true },
    listedContext: "max_model_len",
    firstByteMs: 0,
  },
  {
    name: "vllm",
    ownedBy: /^vllm$/,
    info: { path: "/version", mark: "version", version: "version" },
    rawPrompt: "ids",
    completions: { skip_special_tokens: false },
    thinking: templateThinking(
      (thinking) => ({ thinking }),
      (level) => ({ chat_template_kwargs: { thinking: true, reasoning_effort: level } }),
    ),
    seed: "seed",
    withoutCache: (salt) => ({ cache_salt: salt }),
    logprobs: { chat: CHAT_LOGPROBS, completions: { logprobs: 1 } },
    prefill: { continue_final_message: true, add_generation_prompt: false },
    listedContext: "max_model_len",
    firstByteMs: 0,
  },
  GENERIC,
];

/** The service behind a host, port left out. */
export const dialectOfHost = (host: string): Dialect | undefined =>
  DIALECTS.find(({ hosts }) => hosts?.includes(host.replace(/:\d+$/, "")));

export const genericDialect = (): Dialect => GENERIC;
