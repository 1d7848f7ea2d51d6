import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DecodableFormat, EncodableFormat, Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { codecs } from "../../kernels/scalar/index.ts";
import { F16_MAX } from "../../kernels/scalar/limits.ts";
import { adversarialInputs, createRandom, type KernelInput, plausibleInputs } from "./kernel-inputs.ts";

/** Every kernel set gives the bytes of the scalar twin, which is the specification. */
const { available } = chooseKernels("scalar");
const [scalar, ...compiled] = available;
const full = Boolean(process.env.V4KIT_FULL);
const weightsPerFormat = full ? 10_000_000 : 60_000;

const formats = Object.entries(codecs).filter(([, codec]) => codec.encodeBlock) as [
  EncodableFormat,
  { blockLength: number; blockBytes: number },
][];

function encodeWith(kernels: Kernels, format: EncodableFormat, input: KernelInput): Uint8Array {
  const { blockLength, blockBytes } = codecs[format]!;
  const dst = new Uint8Array((input.values.length / blockLength) * blockBytes);
  const { rowLength, importance } = input;
  expect(kernels.encode(format, input.values, dst, { rowLength, ...(importance && { importance }) })).toBe(
    -1,
  );
  return dst;
}

function decodeWith(kernels: Kernels, format: DecodableFormat, bytes: Uint8Array): Uint8Array {
  const { blockLength, blockBytes } = codecs[format]!;
  const values = new Float32Array((bytes.length / blockBytes) * blockLength);
  expect(kernels.decode(format, bytes, values)).toBe(-1);
  return new Uint8Array(values.buffer);
}

/** Names the first block that differs: a plain comparison of buffers would print megabytes. */
function expectSameBytes(ours: Uint8Array, twin: Uint8Array, blockBytes: number, name: string): void {
  expect(ours.length).toBe(twin.length);
  if (Buffer.compare(ours, twin) === 0) return;
  const at = ours.findIndex((byte, i) => byte !== twin[i]);
  const block = Math.floor(at / blockBytes);
  const slice = (bytes: Uint8Array) =>
    Buffer.from(bytes.subarray(block * blockBytes, (block + 1) * blockBytes)).toString("hex");
  expect(`${name}: block ${block} ${slice(ours)}`).toBe(`${name}: block ${block} ${slice(twin)}`);
}

test("the compiled kernels are built and run here", () => {
  expect(compiled.map(({ set }) => set)).toContain("plain");
});

describe.each(formats)("%s", (format, { blockLength, blockBytes }) => {
  const largest = codecs[format]!.largest ?? F16_MAX;
  const compare = (given: KernelInput) => {
    const input = { ...given, values: given.values.map((x) => Math.max(-largest, Math.min(largest, x))) };
    const twin = encodeWith(scalar, format, input);
    const values = decodeWith(scalar, format, twin);
    for (const kernels of compiled) {
      const name = `${format} ${kernels.set}, ${input.name}`;
      expectSameBytes(encodeWith(kernels, format, input), twin, blockBytes, name);
      expectSameBytes(decodeWith(kernels, format, twin), values, 4 * blockLength, `${name}, decoded`);
    }
  };

  test(`every set gives the twin's bytes on ${weightsPerFormat} weights`, { timeout: 1_800_000 }, () => {
    for (const input of plausibleInputs(weightsPerFormat, 1024)) compare(input);
  });

  test("and on adversarial blocks", () => {
    for (const input of adversarialInputs()) compare(input);
  });

  test("and on generated blocks", () => {
    const value = fc.oneof(
      fc.float({ min: -65504, max: 65504, noNaN: true }),
      fc.float({ min: -1, max: 1, noNaN: true }),
      fc.constantFrom(0, -0, 1, -1, 0.5, 2 ** -24, 2 ** -26, 65504, -65504),
    );
    const rowLength = Math.max(blockLength, 256);
    const row = fc.float32Array({
      minLength: rowLength,
      maxLength: rowLength,
      noNaN: true,
      noDefaultInfinity: true,
    });
    fc.assert(
      fc.property(
        fc.array(value, { minLength: rowLength, maxLength: rowLength, size: "max" }),
        fc.option(row),
        (values, weights) =>
          compare({
            name: "generated",
            rows: 1,
            rowLength,
            values: Float32Array.from(values),
            ...(weights && { importance: weights.map(Math.abs) }),
          }),
      ),
      { numRuns: full ? 400 : 25, seed: 42 },
    );
  });

  test("a batch's tail and a view's offset change nothing", () => {
    const random = createRandom(3);
    const rowLength = Math.max(blockLength, 32);
    for (const rows of [1, 3, 17]) {
      const shared = new SharedArrayBuffer(4 * (rows * rowLength + 5));
      const values = new Float32Array(shared, 20);
      for (let i = 0; i < values.length; i++) values[i] = random() - 0.5;
      compare({ name: `${rows} rows`, rows, rowLength, values });
    }
  });

  test("a value the format cannot take is named by its position, by every set", () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const position of [0, 100, 4097, 8191]) {
        const values = new Float32Array(8192).fill(0.5);
        values[position] = wrong;
        for (const kernels of available) {
          const dst = new Uint8Array((values.length / blockLength) * blockBytes);
          expect(kernels.encode(format, values, dst, { rowLength: 1024 })).toBe(position);
        }
      }
  });
});
