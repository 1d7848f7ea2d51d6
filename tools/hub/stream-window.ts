import type { UnfinishedFile } from "../lib/disk.ts";
import { createExtents } from "./extents.ts";
import { type FetchUnit, lastUpTo } from "./stream-units.ts";

/** Fetches bytes `[start, end)` of a file in order, with whatever retries that takes. */
export type FetchBytes = (
  name: string,
  range: { readonly start: number; readonly end: number; readonly signal: AbortSignal },
  onBytes: (bytes: Uint8Array, position: number) => void | Promise<void>,
) => Promise<void>;

export interface WindowOptions {
  /** In order of first use. */
  readonly units: readonly FetchUnit[];
  /** No unit is longer. */
  readonly windowBytes: number;
  /** Units that are fetched at the same time. */
  readonly connections: number;
  /** Where units wait; closed with the window. */
  readonly scratch: UnfinishedFile;
  readonly fetch: FetchBytes;
}

export interface WindowFacts {
  readonly fetchedBytes: number;
  readonly fetches: number;
  /** Fetches of reads that no unit was there for: not planned, or no room in the window. */
  readonly directFetches: number;
  readonly peakBytes: number;
  /** Of the window, at this moment. */
  readonly usedBytes: number;
}

export interface StreamWindow {
  /** Fills `into` with the bytes of a file from `position` on. */
  read(name: string, into: Uint8Array, position: number): Promise<void>;
  facts(): WindowFacts;
  close(): Promise<void>;
}

/** A unit in the window. */
interface Slot {
  readonly at: number;
  readonly ready: Promise<void>;
  /** Reads that are taking bytes from it. */
  readers: number;
}

/**
 * Fetches units ahead of the reads that need them into a file of bounded size, and frees their place after the last of
 * those reads. A read that nobody planned, or that waits for a unit while the window is full of others, fetches for
 * itself: no answer depends on the plan.
 */
export function openWindow({ units, windowBytes, connections, scratch, fetch }: WindowOptions): StreamWindow {
  const extents = createExtents(windowBytes);
  const stop = new AbortController();
  const byFile = indexUnits(units);
  /** Planned parts that no read has asked for yet, by unit. */
  const left = units.map(({ parts }) => [...parts]);
  const slots = new Map<number, Slot>();
  const waiting = new Map<number, ((slot: Slot | undefined) => void)[]>();
  const facts = { fetchedBytes: 0, fetches: 0, directFetches: 0, peakBytes: 0 };
  let [next, underWay] = [0, 0];
  let failure: unknown;

  const fetchCounted: FetchBytes = (name, range, onBytes) => {
    facts.fetches++;
    facts.fetchedBytes += range.end - range.start;
    return fetch(name, range, onBytes);
  };

  const answer = (unit: number, slot: Slot | undefined): void => {
    for (const resolve of waiting.get(unit) ?? []) {
      if (slot) slot.readers++;
      resolve(slot);
    }
    waiting.delete(unit);
  };

  /** Begins what there is room for. Where nothing can begin and nothing is under way, waiting would be for ever. */
  const pump = (): void => {
    while (underWay < connections && next < units.length && failure === undefined) {
      const { start, end } = units[next];
      if (left[next].length > 0 || waiting.has(next)) {
        const at = extents.take(end - start);
        if (at === undefined) break;
        begin(next, at);
      }
      next++;
    }
    if (underWay === 0 || failure !== undefined)
      for (const unit of [...waiting.keys()]) answer(unit, undefined);
  };

  const begin = (index: number, at: number): void => {
    const { name, start, end } = units[index];
    facts.peakBytes = Math.max(facts.peakBytes, extents.usedBytes());
    underWay++;
    const ready = fetchCounted(name, { start, end, signal: stop.signal }, (bytes, position) =>
      scratch.write(bytes, at + position - start),
    );
    const slot = { at, ready, readers: 0 };
    slots.set(index, slot);
    answer(index, slot);
    ready
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => {
        underWay--;
        freeIfUsed(index);
        pump();
      });
  };

  const freeIfUsed = (index: number): void => {
    const slot = slots.get(index);
    if (!slot || slot.readers > 0 || left[index].length > 0) return;
    slots.delete(index);
    extents.give(slot.at, units[index].end - units[index].start);
  };

  /** The slot of a unit, with one reader more from this moment on. */
  const enter = (index: number): Promise<Slot | undefined> | Slot | undefined => {
    const slot = slots.get(index);
    if (slot) slot.readers++;
    if (index < next) return slot;
    return new Promise((resolve) => {
      waiting.set(index, [...(waiting.get(index) ?? []), resolve]);
      pump();
    });
  };

  const readDirectly = async (name: string, into: Uint8Array, position: number): Promise<void> => {
    facts.directFetches++;
    const range = { start: position, end: position + into.length, signal: stop.signal };
    await fetchCounted(name, range, (bytes, at) => into.set(bytes, at - position));
  };

  const readFrom = async (index: number, into: Uint8Array, position: number): Promise<void> => {
    const { name, start } = units[index];
    take(left[index], position, position + into.length);
    const slot = await enter(index);
    if (failure !== undefined) throw failure;
    if (!slot) return readDirectly(name, into, position);
    try {
      await slot.ready;
      if (!(await scratch.read(into, slot.at + position - start)))
        throw new Error(`the window holds less of ${name} than was written`);
    } finally {
      slot.readers--;
      freeIfUsed(index);
      pump();
    }
  };

  pump();
  return {
    async read(name, into, position) {
      const end = position + into.length;
      for (let at = position; at < end; ) {
        if (failure !== undefined) throw failure;
        const { unit, upTo } = byFile.find(name, at, left);
        const part = into.subarray(at - position, Math.min(end, upTo) - position);
        await (unit === undefined ? readDirectly(name, part, at) : readFrom(unit, part, at));
        at += part.length;
      }
    },
    facts: () => ({ ...facts, usedBytes: extents.usedBytes() }),
    async close() {
      failure ??= new Error("the window is closed");
      stop.abort();
      await Promise.allSettled([...slots.values()].map(({ ready }) => ready));
      await scratch.close();
    },
  };
}

type Part = readonly [number, number];

/** Strikes bytes `[start, end)` off the part that holds them; what a read leaves of it waits for another. */
function take(parts: Part[], start: number, end: number): void {
  const i = parts.findIndex(([from, to]) => from <= start && end <= to);
  const [from, to] = parts[i];
  const rest = [[from, start] as const, [end, to] as const].filter(([a, b]) => a < b);
  parts.splice(i, 1, ...rest);
}

/** Units by file and position, to find the one that a read was planned for. */
function indexUnits(units: readonly FetchUnit[]) {
  const files = new Map<string, { start: number; end: number; index: number }[]>();
  let longest = 0;
  for (const [index, { name, start, end }] of units.entries()) {
    const inFile = files.get(name);
    if (inFile) inFile.push({ start, end, index });
    else files.set(name, [{ start, end, index }]);
    longest = Math.max(longest, end - start);
  }
  for (const inFile of files.values()) inFile.sort((a, b) => a.start - b.start);
  return {
    /**
     * The first unit in the order of use that is yet to give a byte to a read, and where that part ends; without one,
     * where the next unit begins. The same bytes may be in several units, one for each time that they are fetched.
     */
    find(name: string, at: number, left: readonly Part[][]): { unit?: number; upTo: number } {
      const inFile = files.get(name) ?? [];
      const last = lastUpTo(inFile, at);
      let found: { index: number; upTo: number } | undefined;
      for (let i = last; i >= 0 && inFile[i].start > at - longest; i--) {
        const { end, index } = inFile[i];
        if (end <= at || (found && found.index < index)) continue;
        const part = left[index].find(([from, to]) => from <= at && at < to);
        if (part) found = { index, upTo: part[1] };
      }
      if (found) return { unit: found.index, upTo: found.upTo };
      return { upTo: inFile[last + 1]?.start ?? Number.POSITIVE_INFINITY };
    },
  };
}
