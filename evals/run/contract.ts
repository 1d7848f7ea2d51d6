import { createHash } from "node:crypto";
import type { ChatProfile, ThinkingMode } from "../../tools/tokenizer/chat-types.ts";
import type { BackendIdentity } from "../backend.ts";
import type { Task } from "../task.ts";

/** What the scores of a run depend on. Runs are compared, and go on, only where it is the same. */
export interface Contract {
  readonly schema: 1;
  readonly benchmark: string;
  readonly tasks: readonly ContractTask[];
  /** Samples of each problem. */
  readonly epochs: number;
  readonly profile: ChatProfile;
  readonly mode: ThinkingMode;
  readonly sampling: { readonly temperature: number; readonly topP: number; readonly seed: number };
  /** Tokens of a reply, reasoning included, where they are not what each task says. */
  readonly replyTokens?: number;
  /** Whether the reply begins with words of ours: with and without are two series. */
  readonly answerPrefix: "used" | "omitted";
  readonly tokenizerSha256: string;
  readonly backend: BackendIdentity;
}

export type ContractTask = Pick<Task, "name" | "version" | "count" | "digest">;

export const contractTask = ({ name, version, count, digest }: Task): ContractTask => ({
  name,
  version,
  count,
  digest,
});

/** SHA-256 over every leaf with its path, in the order of paths: how an object was put together does not show. */
export const contractDigest = (contract: Contract): string =>
  createHash("sha256")
    .update(JSON.stringify([...leaves(contract)].sort(([a], [b]) => (a < b ? -1 : 1))))
    .digest("hex");

export interface Difference {
  readonly path: string;
  readonly first: string;
  readonly second: string;
}

/** Where two contracts differ, leaf by leaf. */
export function contractDifferences(first: Contract, second: Contract): readonly Difference[] {
  const [a, b] = [leaves(first), leaves(second)];
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((path) => a.get(path) !== b.get(path))
    .map((path) => ({ path, first: a.get(path) ?? "nothing", second: b.get(path) ?? "nothing" }));
}

/** `sampling.temperature` -> `1`, `tasks.2.name` -> `"vt"`. */
function leaves(value: unknown, path = "", into = new Map<string, string>()): Map<string, string> {
  if (typeof value !== "object" || value === null) {
    if (value !== undefined) into.set(path, JSON.stringify(value));
    return into;
  }
  for (const [name, member] of Object.entries(value)) leaves(member, path ? `${path}.${name}` : name, into);
  return into;
}

/** One sample's name: equal for the same question to the same model in the same way, and nowhere else. */
export const sampleKey = (sample: {
  readonly contract: string;
  readonly task: string;
  readonly problem: string;
  readonly epoch: number;
  readonly promptSha256: string;
}): string => {
  const { contract, task, problem, epoch, promptSha256 } = sample;
  return createHash("sha256")
    .update(JSON.stringify([contract, task, problem, epoch, promptSha256]))
    .digest("hex");
};

/** A seed of its own for every sample, whatever was sampled before it. */
export function sampleSeed(seed: number, task: string, problem: string, epoch: number): number {
  const hash = createHash("sha256")
    .update(JSON.stringify([seed, task, problem, epoch]))
    .digest();
  // Servers take signed 32-bit seeds.
  return hash.readUInt32BE(0) >>> 1;
}
