import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { DecodableFormat, EncodableFormat, Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { codecs } from "../../kernels/scalar/index.ts";

const { available } = chooseKernels("scalar");

interface Golden {
  readonly hex: string;
  readonly sse: number;
  readonly wsse: number;
}

function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/kernels/blocks/${name}`, import.meta.url), "utf8"));
}
const decoded = readVectors<Record<DecodableFormat, string[]>>("decode.json");
const golden = readVectors<Record<EncodableFormat, Record<"none" | "importance", Golden>>>("golden.json");

/** Positions of the f16 fields in a block; the rest of the table is what the codec says itself. */
const HALVES: Partial<Record<DecodableFormat, number[]>> = {
  ...{ q4_0: [0], q4_1: [0, 2], q5_0: [0], q5_1: [0, 2], q8_0: [0], q2_K: [80, 82], q3_K: [108] },
  ...{ q4_K: [0, 2], q5_K: [0, 2], q6_K: [208], iq4_nl: [0], iq4_xs: [0], mxfp4: [], nvfp4: [] },
};

/** The bytes of a linear congruential generator, as in the scripts that made the vectors. */
function createBytes(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 16) & 255;
  };
}

function decode(kernels: Kernels, format: DecodableFormat, bytes: Uint8Array): Float32Array {
  const { blockLength, blockBytes } = codecs[format]!;
  const values = new Float32Array((bytes.length / blockBytes) * blockLength);
  expect(kernels.decode(format, bytes, values)).toBe(-1);
  return values;
}

describe.each(Object.keys(decoded) as DecodableFormat[])("%s", (format) => {
  test("decodes 2048 blocks of random bytes as llama.cpp does, bit for bit", () => {
    const { blockBytes } = codecs[format]!;
    const next = createBytes(format.length * 1000 + blockBytes);
    for (const [chunk, sha256] of decoded[format].entries()) {
      const bytes = Uint8Array.from({ length: 256 * blockBytes }, next);
      for (let at = 0; at < bytes.length; at += blockBytes) {
        for (const half of HALVES[format]!)
          if ((bytes[at + half + 1] & 0x7c) === 0x7c) bytes[at + half + 1] &= 0xbf;
        if (format === "mxfp4" && bytes[at] === 255) bytes[at] = 254;
      }
      for (const { set, ...kernels } of available) {
        const values = decode({ set, ...kernels }, format, bytes);
        const digest = createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
        expect({ set, chunk, digest }).toEqual({ set, chunk, digest: sha256 });
      }
    }
  });
});

describe.each(Object.keys(golden) as EncodableFormat[])("the golden row in %s", (format) => {
  const next = createBytes(12345);
  const values = Float32Array.from({ length: 256 }, () => (next() + next() + next() + next() - 510) / 128);
  const importance = Float32Array.from({ length: 256 }, () => 1 + next() / 64);

  const errorsOf = (decodedValues: Float32Array) => {
    let sse = 0;
    let wsse = 0;
    decodedValues.forEach((y, i) => {
      sse += (y - values[i]) ** 2;
      wsse += importance[i] * (y - values[i]) ** 2;
    });
    return { sse, wsse };
  };

  test.each(["none", "importance"] as const)("has no more error than llama.cpp's, importance: %s", (kind) => {
    expect([...values.subarray(0, 4)]).toEqual([-1.90625, 2.1640625, -0.4375, 0.078125]);
    const theirs = golden[format][kind];
    for (const kernels of available) {
      expect(errorsOf(decode(kernels, format, Buffer.from(theirs.hex, "hex"))).sse).toBeCloseTo(
        theirs.sse,
        9,
      );
      const { blockLength, blockBytes } = codecs[format]!;
      const bytes = new Uint8Array((256 / blockLength) * blockBytes);
      const options = kind === "none" ? { rowLength: 256 } : { rowLength: 256, importance };
      expect(kernels.encode(format, values, bytes, options)).toBe(-1);
      const ours = errorsOf(decode(kernels, format, bytes));
      const judged = kind === "none" ? "sse" : "wsse";
      expect(ours[judged]).toBeLessThanOrEqual(theirs[judged] * (1 + 1e-6));
      if (format === "q8_0") expect(Buffer.from(bytes).toString("hex")).toBe(theirs.hex);
    }
  });
});
