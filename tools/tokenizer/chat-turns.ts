import type { ChatMessage } from "./chat-types.ts";

/** Part of a user's turn: what a user wrote, or the result of a tool. */
export interface TurnBlock {
  readonly text: string;
  /** Present on results: the call that this is the result of. */
  readonly toolCallId?: string | undefined;
  readonly isResult: boolean;
}

/** A message as it is rendered: user and tool messages that follow one another are one turn. */
export interface Turn extends ChatMessage {
  readonly role: Exclude<ChatMessage["role"], "tool">;
  /** Of a user's turn. */
  readonly blocks?: TurnBlock[];
}

/**
 * Messages as turns (evals spec 4.4, step 1). A text joins the turn before it unless that has a task, a result always does;
 * of the joined messages the first alone keeps its task.
 */
export function mergeTurns(messages: readonly ChatMessage[]): Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const { role, content, toolCallId, task } = message;
    if (role !== "tool" && role !== "user") {
      turns.push({ ...message, role });
      continue;
    }
    const isResult = role === "tool";
    const block = { text: content, isResult, ...(isResult && { toolCallId }) };
    const last = turns.at(-1);
    if (last?.blocks && (isResult || last.task === undefined)) last.blocks.push(block);
    else turns.push({ role: "user", content: "", blocks: [block], ...(!isResult && task && { task }) });
  }
  return turns;
}

/** Results in the order of the calls before them; texts keep their places (step 2). */
export function orderResults(turns: readonly Turn[]): Turn[] {
  let order = new Map<string, number>();
  return turns.map((turn) => {
    if (turn.role === "assistant" && turn.toolCalls?.length)
      order = new Map(turn.toolCalls.flatMap(({ id }, i) => (id ? [[id, i] as const] : [])));
    if (!turn.blocks) return turn;
    const position = ({ toolCallId }: TurnBlock): number => order.get(toolCallId ?? "") ?? 0;
    const results = turn.blocks
      .filter(({ isResult }) => isResult)
      .sort((one, other) => position(one) - position(other))
      .values();
    return {
      ...turn,
      blocks: turn.blocks.map((block) => (block.isResult ? (results.next().value as TurnBlock) : block)),
    };
  });
}

/** Index of the last turn that the model answers, -1 without one. */
export const lastUserTurn = (turns: readonly Turn[]): number =>
  turns.findLastIndex(({ role }) => role === "user" || role === "developer");

/** Turns without what was thought, and without developers, before the last user turn (step 3). */
export function dropThinking(turns: readonly Turn[]): Turn[] {
  const last = lastUserTurn(turns);
  return turns.flatMap((turn, i) => {
    if (i >= last || !(turn.role === "assistant" || turn.role === "developer")) return [turn];
    const { reasoning: _, ...rest } = turn;
    return turn.role === "assistant" ? [rest] : [];
  });
}
