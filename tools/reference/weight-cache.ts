import type { TensorLoader } from "./load-layer.ts";

/**
 * A loader that keeps what it has read, least recently used first to go, within a budget of bytes. Decoding asks for the
 * same weights token after token; a model larger than the budget keeps its busiest experts.
 */
export function cachedLoader(loader: TensorLoader, budgetBytes: number): TensorLoader {
  const kept = new Map<string, { readonly value: Promise<unknown>; byteLength: number }>();
  let total = 0;
  const cached = <T extends { readonly byteLength: number }>(
    key: string,
    read: () => Promise<T>,
  ): Promise<T> => {
    const known = kept.get(key);
    if (known) {
      // A map keeps the order of insertion: what was asked for last stands last.
      kept.delete(key);
      kept.set(key, known);
      return known.value as Promise<T>;
    }
    const entry = { value: read(), byteLength: 0 };
    kept.set(key, entry);
    entry.value.then(
      ({ byteLength }) => {
        // What can't stay must not drive out what can.
        if (byteLength > budgetBytes) {
          kept.delete(key);
          return;
        }
        entry.byteLength = byteLength;
        total += byteLength;
        for (const [name, oldest] of kept) {
          if (total <= budgetBytes) break;
          // One that is still being read weighs nothing yet.
          if (oldest.byteLength === 0) continue;
          kept.delete(name);
          total -= oldest.byteLength;
        }
      },
      () => kept.delete(key),
    );
    return entry.value;
  };
  return {
    has: (name) => loader.has(name),
    vector: (name) => cached(`vector ${name}`, () => loader.vector(name)),
    table: (name) => cached(`table ${name}`, () => loader.table(name)),
    matrix: (name, rows) =>
      rows ? loader.matrix(name, rows) : cached(`matrix ${name}`, () => loader.matrix(name)),
    rows: (name, ids) => loader.rows(name, ids),
  };
}

/** Weights stay in memory between tokens, in half of what the machine can spare. */
export const spareCacheBytes = (): number => process.availableMemory() / 2;
