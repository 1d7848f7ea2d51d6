/** A growing list of rows of one width, kept in one array. */
export class RowBuffer {
  readonly width: number;
  length = 0;
  #values: Float32Array;

  constructor(width: number) {
    this.width = width;
    this.#values = new Float32Array(64 * width);
  }

  push(row: Float32Array): void {
    const at = this.length * this.width;
    if (at + this.width > this.#values.length) {
      const grown = new Float32Array(2 * this.#values.length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values.set(row, at);
    this.length++;
  }

  /** The first `count` rows, one after the other. */
  first(count: number): Float32Array {
    return this.#values.subarray(0, count * this.width);
  }

  row(index: number): Float32Array {
    return this.#values.subarray(index * this.width, (index + 1) * this.width);
  }
}
