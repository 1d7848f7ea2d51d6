/** A growing list of rows of one width, kept in one array; the first `reserved` of them are there from the beginning. */
export class RowBuffer {
  readonly width: number;
  length: number;
  #values: Float32Array;

  constructor(width: number, reserved = 0) {
    this.width = width;
    this.length = reserved;
    this.#values = new Float32Array((reserved + 64) * width);
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

  set(index: number, row: Float32Array): void {
    this.#values.set(row, index * this.width);
  }

  /** The first `count` rows, one after the other. */
  first(count: number): Float32Array {
    return this.#values.subarray(0, count * this.width);
  }
}
