import { usageError } from "../lib/errors.ts";
import type { ChatProfile, ChatTask, ThinkingMode } from "./chat-types.ts";

/** The tokens that the encoding writes (evals spec 4.2); ids come from the tokenizer. */
export const TOKENS = {
  bos: "<｜begin▁of▁sentence｜>",
  eos: "<｜end▁of▁sentence｜>",
  user: "<｜User｜>",
  assistant: "<｜Assistant｜>",
  think: "<think>",
  endThink: "</think>",
  dsml: "｜DSML｜",
  reminder: "<｜latest_reminder｜>",
} as const;

export const TASK_TOKENS: Readonly<Record<ChatTask, string>> = {
  action: "<｜action｜>",
  query: "<｜query｜>",
  authority: "<｜authority｜>",
  domain: "<｜domain｜>",
  title: "<｜title｜>",
  read_url: "<｜read_url｜>",
};

const EFFORT_THOROUGH = `Reasoning Effort: Absolute maximum with no shortcuts permitted.
You MUST be very thorough in your thinking and comprehensively decompose the problem to resolve the root cause, rigorously stress-testing your logic against all potential paths, edge cases, and adversarial scenarios.
Explicitly write out your entire deliberation process, documenting every intermediate step, considered alternative, and rejected hypothesis to ensure absolutely no assumption is left unchecked.

`;

const EFFORT_EXHAUSTIVE = `Reasoning Effort: Beyond maximum — exhaustive, relentless, and uncompromising.
You MUST reason with the utmost depth and rigor, leaving absolutely nothing to chance: exhaustively decompose the problem into its most fundamental components, trace every causal chain to its root, and resolve the underlying cause rather than any surface symptom.
Do not stop reasoning until you have independently verified the solution from multiple angles and are certain that no assumption remains unchecked and no error remains undiscovered.

`;

/** What a prompt begins with, by profile and mode: all that profiles differ in. */
const EFFORT: Readonly<Record<ChatProfile, Readonly<Partial<Record<ThinkingMode, string>>>>> = {
  "v4-preview": { nonthink: "", high: "", max: EFFORT_THOROUGH },
  "v4-0731": { nonthink: "", low: "", high: EFFORT_THOROUGH, max: EFFORT_EXHAUSTIVE },
};

export const CHAT_PROFILES = Object.keys(EFFORT) as readonly ChatProfile[];
export const THINKING_MODES: readonly ThinkingMode[] = ["nonthink", "low", "high", "max"];

/** The effort prefix of a profile and mode; what a profile does not know is refused. */
export function effortPrefix(profile: ChatProfile, mode: ThinkingMode): string {
  if (!Object.hasOwn(EFFORT, profile))
    throw usageError({
      what: "unknown chat profile",
      expected: CHAT_PROFILES.join(" or "),
      found: profile,
      ...((profile as string) === "v41" && {
        next: "V4.1 has other tags, which this encoder does not write",
      }),
    });
  const prefix = EFFORT[profile][mode];
  if (prefix === undefined)
    throw usageError({
      what: `unknown mode of the profile ${profile}`,
      expected: Object.keys(EFFORT[profile]).join(", "),
      found: mode,
    });
  return prefix;
}

const D = TOKENS.dsml;

/** Tags of tool calls: what the encoder writes and the parser looks for. */
export const TAGS = {
  calls: [`<${D}tool_calls>`, `</${D}tool_calls>`],
  invoke: [`<${D}invoke name="`, `</${D}invoke>`],
  parameter: [`<${D}parameter name="`, `</${D}parameter>`],
} as const;

/** The text before and after the schemas of tools. */
export const TOOLS_BLOCK = [
  `## Tools

You have access to a set of tools to help answer the user's question. You can invoke tools by writing a "${TAGS.calls[0]}" block like the following:

${TAGS.calls[0]}
${TAGS.invoke[0]}$TOOL_NAME">
${TAGS.parameter[0]}$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE${TAGS.parameter[1]}
...
${TAGS.invoke[1]}
${TAGS.invoke[0]}$TOOL_NAME2">
...
${TAGS.invoke[1]}
${TAGS.calls[1]}

String parameters should be specified as is and set \`string="true"\`. For all other types (numbers, booleans, arrays, objects), pass the value in JSON format and set \`string="false"\`.

If thinking_mode is enabled (triggered by ${TOKENS.think}), you MUST output your complete reasoning inside ${TOKENS.think}...${TOKENS.endThink} BEFORE any tool calls or final response.

Otherwise, output directly after ${TOKENS.endThink} with tool calls or final response.

### Available Tool Schemas

`,
  `

You MUST strictly follow the above defined tool name and parameter schemas to invoke tool calls.
`,
] as const;

export const RESPONSE_FORMAT =
  "## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n";
