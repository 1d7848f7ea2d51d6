import { stat } from "node:fs/promises";
import { openTokenizerAt } from "../checkpoint/open-tokenizer.ts";
import { resolveLocal } from "../hub/resolve.ts";
import { readSmallFile } from "../lib/files.ts";
import { MAX_MESSAGES_BYTES } from "../lib/limits.ts";
import { readStdin } from "../lib/stdin.ts";
import { type ChatOptions, encodeChat, renderChat } from "../tokenizer/chat-encoding.ts";
import { parseChatFile, parseToolsFile } from "../tokenizer/chat-file.ts";
import type { ChatProfile, ThinkingMode } from "../tokenizer/chat-types.ts";

interface PromptChoice {
  readonly messages: string;
  readonly tokenizer: string | undefined;
  readonly profile: ChatProfile | undefined;
  readonly mode: ThinkingMode;
  readonly tools: string | undefined;
  readonly ids: boolean;
  readonly keepReasoning: boolean;
  readonly rawSpecials: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Prints a conversation as its prompt: the text byte for byte, ids in one line, or both as a document. */
export async function printPrompt(choice: PromptChoice): Promise<void> {
  const { mode, keepReasoning, json, quiet, rawSpecials } = choice;
  const found = choice.tokenizer === undefined ? undefined : await openNamed(choice.tokenizer);
  const profile = choice.profile ?? found?.profile ?? "v4-preview";
  const chat = parseChatFile(...(await readJson(choice.messages)));
  const tools = choice.tools === undefined ? chat.tools : parseToolsFile(...(await readJson(choice.tools)));
  const options: ChatOptions = { profile, mode, keepReasoning, tools };
  const text = renderChat(chat.messages, options);
  const ids = found && encodeChat(found.tokenizer, chat.messages, options);
  const raw = found?.tokenizer.encode(text);
  const spelled = ids !== undefined && raw !== undefined && !equal(ids, raw);
  if (spelled && !quiet)
    process.stderr.write(
      `v4kit: a message spells control tokens: ${ids.length} ids with them as text, ${raw.length} where a server reads the prompt as one string${rawSpecials ? "" : " (--raw-specials)"}\n`,
    );
  const chosen = rawSpecials ? raw : ids;
  const document = {
    profile,
    mode,
    text,
    ...(chosen && { tokens: chosen.length, ids: chosen, spellsControlTokens: spelled }),
  };
  if (json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  else if (choice.ids && chosen) process.stdout.write(`${chosen.join(" ")}\n`);
  // Byte for byte; a terminal alone gets the line break that its prompt needs.
  else process.stdout.write(process.stdout.isTTY ? `${text}\n` : text);
}

/** A path, or what a Hub id stands for; a tokenizer.json need not be in a checkpoint. */
async function openNamed(name: string) {
  const exists = await stat(name).then(
    () => true,
    () => false,
  );
  return openTokenizerAt(exists ? name : (await resolveLocal({ source: name })).path);
}

const readJson = async (path: string): Promise<[Uint8Array, string]> =>
  path === "-"
    ? [new TextEncoder().encode(await readStdin(MAX_MESSAGES_BYTES)), "standard input"]
    : [await readSmallFile(path, MAX_MESSAGES_BYTES), path];

const equal = (one: readonly number[], other: readonly number[]): boolean =>
  one.length === other.length && one.every((id, i) => id === other[i]);
