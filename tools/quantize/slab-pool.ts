/** A fixed number of equal SharedArrayBuffers: what bounds the memory of a run, whatever the checkpoint's size. */
export interface SlabPool {
  readonly byteLength: number;
  /** Waits until a slab is free. */
  acquire(): Promise<SharedArrayBuffer>;
  release(slab: SharedArrayBuffer): void;
}

export function createSlabPool(count: number, byteLength: number): SlabPool {
  const free = Array.from({ length: count }, () => new SharedArrayBuffer(byteLength));
  const waiting: ((slab: SharedArrayBuffer) => void)[] = [];
  return {
    byteLength,
    acquire() {
      const slab = free.pop();
      return slab ? Promise.resolve(slab) : new Promise((resolve) => waiting.push(resolve));
    },
    release(slab) {
      const next = waiting.shift();
      if (next) next(slab);
      else free.push(slab);
    },
  };
}
