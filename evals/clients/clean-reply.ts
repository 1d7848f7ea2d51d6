import { printable } from "../../tools/lib/errors.ts";
import type { GenerationRequest } from "../backend.ts";
import { defined, type Json, type Reply } from "./reply.ts";

/** Names go into every record and into a terminal: a server must not fill the one and steer the other with them. */
export function withShortNames(reply: Reply): Reply {
  const short = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : printable(name);
  const { servedModel, fingerprint } = reply;
  return { ...reply, ...defined({ servedModel: short(servedModel), fingerprint: short(fingerprint) }) };
}

/** What is odd about a reply beside its request. */
export function oddities(
  { prompt, sampling, answerPrefix }: GenerationRequest,
  { usage, servedModel }: Reply,
  { model, prefixSent }: { readonly model: string; readonly prefixSent: boolean },
): readonly string[] {
  const { promptTokens, completionTokens } = usage;
  const ours = prompt.ids.length;
  return [
    promptTokens !== undefined &&
      promptTokens !== ours &&
      `prompt_tokens differ: ours ${ours}, server ${promptTokens}`,
    completionTokens !== undefined &&
      completionTokens > sampling.maxTokens &&
      `more tokens than were asked for: at most ${sampling.maxTokens}, server ${completionTokens}`,
    servedModel !== undefined && servedModel !== model && `another model answered: ${servedModel}`,
    answerPrefix !== undefined &&
      !prefixSent &&
      "the answer's beginning was not sent: this server cannot continue a reply",
  ].filter((line) => typeof line === "string");
}

/** A server may repeat the key anywhere. */
export function withoutKey<T extends Json | readonly unknown[]>(
  value: T,
  redact: (text: string) => string,
): T {
  const clean = (inner: unknown): unknown => {
    if (typeof inner === "string") return redact(inner);
    if (Array.isArray(inner)) return inner.map(clean);
    if (typeof inner !== "object" || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([name, member]) => [name, clean(member)]));
  };
  return clean(value) as T;
}
