import type { Argv } from "yargs";
import type { Api } from "../../evals/clients/endpoint-url.ts";
import type { SampleStatus } from "../../evals/run/row.ts";
import type { Numerics } from "../reference/rounding.ts";
import { CHAT_PROFILES, THINKING_MODES } from "../tokenizer/chat-layout.ts";
import type { ChatProfile, ThinkingMode } from "../tokenizer/chat-types.ts";
import { withForward } from "./forward-args.ts";
import type { CommonArgs } from "./output.ts";

/** The flags of every evaluation. */
export interface EvalArgs extends CommonArgs {
  endpoint: string | undefined;
  model: string | undefined;
  api: Api | "auto";
  server: string | undefined;
  apiKeyEnv: string | undefined;
  apiKeyFile: string | undefined;
  requestsPerMinute: number | undefined;
  checkpoint: string | undefined;
  tokenizer: string | undefined;
  numerics: Numerics;
  threads: number;
  profile: ChatProfile | undefined;
  mode: ThinkingMode;
  temperature: number | undefined;
  topP: number;
  seed: number;
  replyTokens: number | undefined;
  limit: number | undefined;
  concurrency: number;
  maxCost: number;
  priceFile: string | undefined;
  yes: boolean;
  retry: string | undefined;
  out: string | undefined;
  dryRun: boolean;
}

/** Classes of samples that may end otherwise the next time. */
const RETRIED: readonly string[] = ["failed", "infra_error"] satisfies SampleStatus[];

const WHOLE_NUMBERS = { limit: 1, concurrency: 1, "reply-tokens": 1, seed: 0 } as const;

export const withEval = <T>(yargs: Argv<T>): Argv<T & EvalArgs> =>
  withForward(yargs)
    .option("endpoint", { type: "string", describe: "address of a server, e.g. http://localhost:8000/v1" })
    .option("model", { type: "string", describe: "the model's name at the endpoint" })
    .option("checkpoint", {
      type: "string",
      describe: "a checkpoint or artefact instead of an endpoint: the reference pass answers",
    })
    .option("tokenizer", {
      type: "string",
      describe:
        "with --endpoint: a tokenizer.json, a folder with one, .gguf or Hub id, that prompts are counted with",
    })
    .option("api", {
      choices: ["auto", "chat", "completions", "messages"] as const,
      default: "auto" as const,
      describe: "completions takes prompts as rendered here; messages is Anthropic's form",
    })
    .option("server", { type: "string", describe: "the kind of server, where it does not say so itself" })
    .option("api-key-env", { type: "string", describe: "environment variable that holds the key" })
    .option("api-key-file", { type: "string", describe: "file that holds the key" })
    .option("requests-per-minute", { type: "number", describe: "ask no more often than this" })
    .option("profile", {
      choices: CHAT_PROFILES,
      describe: "chat encoding; default: what the config beside the tokenizer says, else v4-preview",
    })
    .option("mode", {
      choices: THINKING_MODES,
      default: "nonthink" as const,
      describe: "how much the model thinks",
    })
    .option("temperature", { type: "number", describe: "default: 0 without thinking, 1 with it" })
    .option("top-p", { type: "number", default: 1, describe: "share of the probability that takes part" })
    .option("seed", { type: "number", default: 0, describe: "another seed makes other problems and samples" })
    .option("reply-tokens", {
      type: "number",
      describe: "tokens of a reply, reasoning included (default: by task and mode)",
    })
    .option("limit", { type: "number", describe: "run at most this many problems of each task" })
    .option("concurrency", { type: "number", default: 8, describe: "samples at a time, of an endpoint" })
    .option("max-cost", { type: "number", default: 5, describe: "US dollars that the run may cost" })
    .option("price-file", { type: "string", describe: "a table of prices of your own (docs/evals.md)" })
    .option("yes", {
      type: "boolean",
      default: false,
      describe: "run without a known price, or until the budget is spent",
    })
    .option("retry", {
      type: "string",
      describe: "run samples again that ended so: failed, infra_error, or both with a comma",
    })
    .option("out", { type: "string", describe: "folder of the run; the same command goes on there" })
    .option("dry-run", { type: "boolean", default: false, describe: "count tokens and costs, ask nobody" })
    .nargs(
      Object.fromEntries(
        [
          "endpoint",
          "model",
          "checkpoint",
          "tokenizer",
          "server",
          "api-key-env",
          "api-key-file",
          "requests-per-minute",
          "profile",
          "mode",
          "api",
          "temperature",
          "top-p",
          "seed",
          "reply-tokens",
          "limit",
          "concurrency",
          "max-cost",
          "price-file",
          "retry",
          "out",
        ].map((name) => [name, 1]),
      ),
    )
    .check((args) => {
      const given = args as unknown as EvalArgs;
      if ((given.endpoint === undefined) === (given.checkpoint === undefined))
        throw new Error("give one of --endpoint and --checkpoint");
      if (given.endpoint !== undefined && given.model === undefined)
        throw new Error("--endpoint needs --model");
      if (given.endpoint !== undefined && given.tokenizer === undefined)
        throw new Error("--endpoint needs --tokenizer: prompts are rendered and counted here");
      const ofEndpoints = [
        "model",
        "tokenizer",
        "server",
        "api-key-env",
        "api-key-file",
        "requests-per-minute",
      ];
      const stray = ofEndpoints.find((name) => args[name] !== undefined);
      if (given.checkpoint !== undefined && stray !== undefined)
        throw new Error(`--${stray} belongs to --endpoint`);
      for (const [name, least] of Object.entries(WHOLE_NUMBERS)) {
        const value = args[name];
        if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) >= least))
          throw new Error(`--${name}: expected a whole number of at least ${least}`);
      }
      const unknown = given.retry?.split(",").find((name) => !RETRIED.includes(name));
      if (unknown !== undefined) throw new Error(`--retry: "${unknown}" is none of ${RETRIED.join(", ")}`);
      const { temperature, topP, maxCost } = given;
      if (temperature !== undefined && !(temperature >= 0))
        throw new Error("--temperature: expected 0 or more");
      if (!(topP > 0 && topP <= 1)) throw new Error("--top-p: expected more than 0, at most 1");
      if (!(maxCost >= 0)) throw new Error("--max-cost: expected US dollars, 0 or more");
      if (given.requestsPerMinute !== undefined && !(given.requestsPerMinute > 0))
        throw new Error("--requests-per-minute: expected more than 0");
      return true;
    }) as unknown as Argv<T & EvalArgs>;
