import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { GgufValue } from "../../tools/formats/gguf/values.ts";
import { openImportance } from "../../tools/formats/imatrix/reader.ts";
import { V4Error } from "../../tools/lib/errors.ts";
import { MAX_IMATRIX_DATASET_BYTES, MAX_IMATRIX_ENTRIES } from "../../tools/lib/limits.ts";
import { datBytes, IMATRIX_TYPE, pairOf, writeDat, writeImportanceGguf } from "../support/imatrix.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const NAME = "blk.1.ffn_down_exps.weight";
const GOOD = [{ name: NAME, calls: 2, values: [1, 2, 3, 4] }];

/** One line, bad data, and the facts that the line must carry. */
async function refused(attempt: Promise<unknown>, ...facts: (string | RegExp)[]): Promise<void> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(V4Error);
  const { message, exitCode } = error as V4Error;
  for (const fact of facts) expect(message).toMatch(fact);
  expect(message.split("\n")).toHaveLength(1);
  expect(exitCode).toBe(65);
}

const write = (bytes: Uint8Array | string): string => {
  const path = join(folder, "bytes");
  writeFileSync(path, bytes);
  return path;
};
const gguf = (...of: Parameters<typeof writeImportanceGguf> extends [string, ...infer Rest] ? Rest : never) =>
  writeImportanceGguf(join(folder, "x.gguf"), ...of);

/** Opens a file and reads one vector; what cannot be seen in the headers is refused here. */
async function readVector(path: string, matrix = 0, columns = 2): Promise<boolean> {
  const file = await openImportance(path);
  return file.read(NAME, matrix, new Float32Array(columns)).finally(() => file.close());
}

describe("what is no importance file", () => {
  test("an empty file, text, zeros, a folder, a FIFO", async () => {
    await refused(openImportance(write("")), "too short");
    await refused(openImportance(write("abc")), "too short");
    await refused(openImportance(write("blk.0.weight 1 2 3\n")), "not an importance file", "GGUF");
    await refused(openImportance(write(new Uint8Array(64))), "not an importance file", "found 0");
    await refused(openImportance(write(Buffer.from([2, 0, 0, 0, 255, 255, 255, 255, 1, 1, 1, 1]))), "name");
    mkdirSync(join(folder, "d"));
    await refused(openImportance(join(folder, "d")), "a folder");
    execFileSync("mkfifo", [join(folder, "fifo")]);
    await refused(openImportance(join(folder, "fifo")), "a FIFO");
  });

  test("a GGUF of another type, of none, or without entries", async () => {
    const model: [string, GgufValue] = ["general.type", { type: "string", value: "model" }];
    await refused(
      openImportance(gguf(pairOf(NAME, [1], [1]), [model])),
      "general.type imatrix",
      "found model",
    );
    await refused(openImportance(gguf(pairOf(NAME, [1], [1]), [])), "general.type imatrix", "found none");
    await refused(openImportance(gguf([])), "no entries");
    await refused(openImportance(gguf([{ name: "a", ne: [1], values: [1] }])), "no entries");
  });
});

describe("a damaged GGUF", () => {
  test("truncated in its header, in its numbers, at every length", async () => {
    const path = gguf(pairOf(NAME, [1, 2, 3, 4], [1, 1]));
    const { length } = readFileSync(path);
    // The last tensor's padding may go: nothing is missing then.
    for (let bytes = length - 28; bytes >= 4; bytes -= 3) {
      truncateSync(path, bytes);
      await refused(openImportance(path), path);
    }
  });

  test("counts without sums, and the reverse", async () => {
    const [sums, counts] = pairOf(NAME, [1, 2], [1]);
    await refused(openImportance(gguf([sums])), "pairs", `${NAME}.counts`);
    await refused(openImportance(gguf([counts])), "pairs", `${NAME}.in_sum2`);
    await refused(openImportance(gguf([...pairOf("other", [1], [1]), counts])), "pairs");
  });

  test("counts and sums of wrong shapes and types", async () => {
    const [sums, counts] = pairOf(NAME, [1, 2, 3, 4], [1, 1]);
    for (const ne of [[1], [2], [2, 1], [1, 3], [1, 2, 2], [1, 0]])
      await refused(
        openImportance(gguf([sums, { ...counts, ne, values: [1, 1, 1, 1] }])),
        /do not fit|wrong shape/,
        NAME,
      );
    for (const ne of [
      [0, 2],
      [2, 2, 2],
      [2, 0],
    ])
      await refused(openImportance(gguf([{ ...sums, ne }, counts])), "wrong shape", NAME);
    await refused(openImportance(gguf([{ ...sums, dtype: "f16" }, counts])), "wrong type", "found f16");
    await refused(openImportance(gguf([sums, { ...counts, dtype: "f16" }])), "wrong type", "found f16");
  });

  test("a tensor name twice", async () => {
    await refused(
      openImportance(gguf([...pairOf(NAME, [1], [1]), ...pairOf(NAME, [1], [1])])),
      "twice",
      NAME,
    );
  });

  test("keys of wrong types", async () => {
    const text: GgufValue = { type: "string", value: "1" };
    for (const key of ["imatrix.datasets", "imatrix.chunk_count"])
      await refused(openImportance(gguf(pairOf(NAME, [1], [1]), [IMATRIX_TYPE, [key, text]])), key);
  });

  test("sums that are negative, NaN or infinite: the entry, the matrix and the column are named", async () => {
    for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const path = gguf(pairOf(NAME, [1, 2, 3, bad], [1, 1]));
      expect(await readVector(path, 0)).toBe(true);
      await refused(readVector(path, 1), "matrix 1, column 1", NAME, `found ${bad}`);
    }
    await refused(readVector(gguf(pairOf(NAME, [1, 3e38], [1e-3]))), "column 1", "not finite");
    await refused(readVector(gguf(pairOf(NAME, [1, -1e-45], [4]))), "column 1", "negative");
  });

  test("counts that are negative, NaN or infinite", async () => {
    for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      await refused(readVector(gguf(pairOf(NAME, [1, 2, 3, 4], [1, bad])), 1), "count of matrix 1", NAME);
  });

  test("vectors that the file does not have", async () => {
    const path = gguf(pairOf(NAME, [1, 2, 3, 4], [1, 1]));
    await refused(readVector(path, 2), "does not fit", NAME, "2 of 2");
    await refused(readVector(path, -1), "does not fit");
    await refused(readVector(path, 0, 4), "does not fit", "vector 0 of 4 columns");
    await refused(readVector(path, 0, 1), "does not fit");
    await refused(readVector(gguf(pairOf("other", [1], [1]))), "no such entry", NAME);
  });
});

describe("a damaged legacy file", () => {
  test("truncated at every length", async () => {
    const whole = datBytes([...GOOD, { name: "b", calls: 1, values: [1] }], { chunks: 3, dataset: "text" });
    const withoutTrailer = whole.length - 12;
    for (let bytes = 0; bytes < whole.length; bytes++)
      if (bytes !== withoutTrailer) await refused(openImportance(write(whole.subarray(0, bytes))), "bytes");
  });

  test("numbers of entries that no file has", async () => {
    for (const entryCount of [0, -1, MAX_IMATRIX_ENTRIES + 1, 2 ** 31 - 1])
      await refused(
        openImportance(writeDat(folder, GOOD, { entryCount })),
        "number of entries",
        String(entryCount),
      );
    await refused(openImportance(writeDat(folder, GOOD, { entryCount: 2 })), "ends inside an entry");
  });

  test("absurd numbers of values", async () => {
    for (const valueCount of [0, -1, -(2 ** 31)])
      await refused(
        openImportance(writeDat(folder, [{ ...GOOD[0], valueCount }])),
        "number of values",
        NAME,
        String(valueCount),
      );
    for (const valueCount of [5, 2 ** 31 - 1])
      await refused(
        openImportance(writeDat(folder, [{ ...GOOD[0], valueCount }])),
        "beyond the end",
        NAME,
        "room for 4",
      );
  });

  test("names that are empty, too long, negative in length, no UTF-8, or there twice", async () => {
    const named = (name: string | Uint8Array, nameBytes?: number) =>
      openImportance(writeDat(folder, [{ ...GOOD[0], name, ...(nameBytes && { nameBytes }) }]));
    await refused(named(""), "length of an entry's name", "found 0");
    await refused(named("n".repeat(64)), "length of an entry's name", "found 64");
    await refused(named(NAME, -5), "length of an entry's name", "found -5");
    await refused(named(NAME, 2 ** 31 - 1), "length of an entry's name");
    await refused(named(Buffer.from([0x62, 0xff, 0xfe])), "UTF-8");
    await refused(openImportance(writeDat(folder, [...GOOD, ...GOOD])), "twice", NAME);
  });

  test("a name with control characters stays out of the terminal", async () => {
    await refused(
      openImportance(writeDat(folder, [{ ...GOOD[0], name: "a\u001b[2J\nb", calls: -1 }])),
      "negative",
    );
  });

  test("names that JavaScript objects have already", async () => {
    const file = await openImportance(writeDat(folder, [{ ...GOOD[0], name: "__proto__" }]));
    expect([...file.entries.keys()]).toEqual(["__proto__"]);
    await file.close();
  });

  test("a negative number of calls; none at all is no fault", async () => {
    await refused(openImportance(writeDat(folder, [{ ...GOOD[0], calls: -3 }])), "calls", NAME, "found -3");
    expect(await readVector(writeDat(folder, [{ ...GOOD[0], calls: 0 }]))).toBe(false);
  });

  test("values that are negative, NaN or infinite: the entry, the matrix and the column are named", async () => {
    for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const path = writeDat(folder, [{ ...GOOD[0], values: [1, 2, bad, 4] }]);
      expect(await readVector(path, 0)).toBe(true);
      await refused(readVector(path, 1), "matrix 1, column 0", NAME, `found ${bad} over a count of 2`);
    }
  });

  test("vectors that the file does not have", async () => {
    const path = writeDat(folder, GOOD);
    await refused(readVector(path, 2), "does not fit", NAME);
    await refused(readVector(path, 0, 3), "does not fit", "1 of 4");
    await refused(readVector(path, 0, 5), "does not fit");
    await refused(readVector(path, 0, 0), "does not fit");
  });

  test("a trailer that does not end with the file", async () => {
    const whole = datBytes(GOOD, { chunks: 3, dataset: "text" });
    await refused(openImportance(write(Buffer.concat([whole, Buffer.from("x")]))), "end with the file");
    await refused(openImportance(writeDat(folder, GOOD, { chunks: -1, dataset: "text" })), "-1 chunks");
    const long = "x".repeat(MAX_IMATRIX_DATASET_BYTES + 1);
    await refused(openImportance(writeDat(folder, GOOD, { dataset: long })), "unreasonable length");
  });
});
