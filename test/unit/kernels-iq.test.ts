import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { codecs } from "../../kernels/scalar/index.ts";
import { createNormal } from "./kernel-inputs.ts";

const FORMATS = ["iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s"] as const;
type Format = (typeof FORMATS)[number];

const { available } = chooseKernels("scalar");
const scalar = available[0];
const fastest = available[available.length - 1];

function readVectors<T>(name: string): Record<Format, T> {
  const url = new URL(`../vectors/kernels/iq/${name}`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8"));
}
const golden = readVectors<{ hex: string; sse: number; wsse: number }>("golden.json");
const decoded = readVectors<{ block: string; sha256: string }[]>("decode.json");

/** The golden row of the format description: sums of four bytes of a linear congruential generator. */
function goldenRow() {
  let state = 12345;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 16) & 255;
  };
  const values = Float32Array.from({ length: 256 }, () => (next() + next() + next() + next() - 510) / 128);
  return { values, importance: Float32Array.from({ length: 256 }, () => 1 + next() / 64) };
}

function encode(kernels: Kernels, format: Format, values: Float32Array, importance?: Float32Array) {
  const bytes = new Uint8Array((values.length / 256) * codecs[format]!.blockBytes);
  const rowLength = importance?.length ?? values.length;
  expect(kernels.encode(format, values, bytes, { rowLength, ...(importance && { importance }) })).toBe(-1);
  return bytes;
}

function decode(kernels: Kernels, format: Format, bytes: Uint8Array): Float32Array {
  const values = new Float32Array((bytes.length / codecs[format]!.blockBytes) * 256);
  expect(kernels.decode(format, bytes, values)).toBe(-1);
  return values;
}

function errors(values: Float32Array, approximation: Float32Array, importance?: Float32Array) {
  let plain = 0;
  let weighted = 0;
  values.forEach((value, i) => {
    const square = (approximation[i] - value) ** 2;
    plain += square;
    weighted += (importance ? importance[i % importance.length] : 1) * square;
  });
  return { plain, weighted };
}

describe.each(FORMATS)("%s", (format) => {
  test("decodes as llama.cpp does: every entry, sign mask and scale", () => {
    for (const kernels of available)
      for (const { block, sha256 } of decoded[format]) {
        const values = decode(kernels, format, Buffer.from(block, "base64"));
        const digest = createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
        expect({ set: kernels.set, block, digest }).toEqual({ set: kernels.set, block, digest: sha256 });
      }
  });

  test("the golden row decodes to its printed errors, and is encoded with no more", () => {
    const { values, importance } = goldenRow();
    expect([...values.subarray(0, 4)]).toEqual([-1.90625, 2.1640625, -0.4375, 0.078125]);
    const theirs = errors(values, decode(scalar, format, Buffer.from(golden[format].hex, "hex")), importance);
    expect(theirs.plain).toBeCloseTo(golden[format].sse, 5);
    expect(theirs.weighted).toBeCloseTo(golden[format].wsse, 5);
    for (const kernels of available) {
      const bytes = encode(kernels, format, values, importance);
      const ours = errors(values, decode(kernels, format, bytes), importance);
      expect(ours.weighted).toBeLessThanOrEqual(golden[format].wsse);
    }
  });

  // llama.cpp's relative errors on N(0,1) (v4-formats.md 3.6, [flat, log-normal importance]) times the square root
  // of what our squared error may be of it.
  const published = {
    iq2_xxs: [0.343814 * Math.sqrt(0.94), 0.29603 * Math.sqrt(0.9)],
    iq2_xs: [0.29884, 0.258343],
    iq2_s: [0.248263, 0.224254],
    iq3_xxs: [0.18165, 0.152728],
    iq3_s: [0.136759, 0.119476],
  };
  test("its error on normal rows is below llama.cpp's published one", () => {
    const rows = fastest.set === "scalar" ? 2 : 32;
    const normal = createNormal(5);
    const values = Float32Array.from({ length: rows * 4096 }, normal);
    const skewed = Float32Array.from({ length: 4096 }, () => Math.exp(normal()));
    [new Float32Array(4096).fill(1), skewed].forEach((importance, kind) => {
      const ours = errors(
        values,
        decode(fastest, format, encode(fastest, format, values, importance)),
        importance,
      );
      const energy = errors(values, new Float32Array(values.length), importance);
      expect(Math.sqrt(ours.weighted / energy.weighted)).toBeLessThan(published[format][kind]);
    });
  });

  const row = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), {
    minLength: 256,
    maxLength: 256,
    size: "max",
  });
  const runs = { numRuns: process.env.V4KIT_FULL ? 1000 : 30, seed: 9 };

  test("values twice as large differ in d alone", () => {
    fc.assert(
      fc.property(row, (array) => {
        // Squares of smaller values are subnormal, where doubling is not exact and another element may lose its sign.
        const values = Float32Array.from(array, (x) => (Math.abs(x) < 2 ** -50 ? 0 : x));
        fc.pre(Math.max(...values.map(Math.abs)) > 0.5);
        const once = decode(fastest, format, encode(fastest, format, values));
        const twice = decode(
          fastest,
          format,
          encode(
            fastest,
            format,
            values.map((x) => 2 * x),
          ),
        );
        expect(twice).toEqual(once.map((y) => 2 * y));
      }),
      runs,
    );
  });

  test("importance of another unit changes nothing", () => {
    const importance = Float32Array.from({ length: 256 }, (_, i) => 1 + (i % 7));
    fc.assert(
      fc.property(row, fc.integer({ min: -90, max: 90 }), (array, exponent) => {
        const values = Float32Array.from(array);
        const scaled = importance.map((w) => w * 2 ** exponent);
        expect(encode(fastest, format, values, scaled)).toEqual(encode(fastest, format, values, importance));
      }),
      runs,
    );
  });

  test("what it decodes is encoded again almost without error", () => {
    // Not without any: another scale may explain a group's values nearly as well.
    const blocks = decoded[format]
      .map(({ block }) => decode(scalar, format, Buffer.from(block, "base64")))
      .filter((values) => {
        const peak = Math.max(...values.map(Math.abs));
        return peak > 1e-3 && peak < 60000; // d neither subnormal nor beyond what an encoder takes
      });
    expect(blocks.length).toBeGreaterThan(3);
    for (const values of blocks) {
      const again = decode(fastest, format, encode(fastest, format, values));
      const energy = errors(values, new Float32Array(256)).plain;
      expect(errors(values, again).plain / energy).toBeLessThan(0.005);
    }
  });

  test("zero rows are zero bytes, and any importance gives finite values", () => {
    for (const kernels of available) {
      expect(encode(kernels, format, new Float32Array(512)).every((byte) => byte === 0)).toBe(true);
      for (const weight of [0, 1e-30, 1e30]) {
        const values = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i));
        const importance = Float32Array.from({ length: 256 }, (_, i) => (i % 5 ? weight : 1));
        const y = decode(kernels, format, encode(kernels, format, values, importance));
        expect(y.every(Number.isFinite)).toBe(true);
        expect(y.some((v) => v !== 0)).toBe(true);
      }
    }
  });
});
