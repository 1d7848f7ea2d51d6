import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { layoutGguf } from "../../tools/formats/gguf/layout.ts";
import { type GgufHeader, readGgufHeader } from "../../tools/formats/gguf/reader.ts";
import type { GgufMetadata, GgufValue } from "../../tools/formats/gguf/values.ts";
import { openForReading } from "../../tools/lib/files.ts";
import { cli } from "../support/cli.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const whole = join(folder, "whole.gguf");
let header: GgufHeader;

beforeAll(async () => {
  expect(cli(["quantize", DEMO_CHECKPOINT, "--bits", "4", "--out", whole]).code).toBe(0);
  const file = await openForReading(whole);
  header = await readGgufHeader(file);
  await file.close();
});

const partName = (name: string, number: number, count: number): string =>
  join(folder, `${name}-${String(number).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.gguf`);

interface Change {
  readonly number?: number;
  readonly total?: number;
  readonly repeat?: boolean;
}

/** Writes the whole file as three: the first without tensors, as is allowed, the others with every second one. */
function split(name: string, change: Change = {}): string {
  const bytes = readFileSync(whole);
  for (let number = 0; number < 3; number++) {
    const entries = header.entries.filter((_, i) => number > 0 && i % 2 === number - 1);
    if (change.repeat && number === 2) entries.push(header.entries[0]);
    const keys: [string, GgufValue][] = [
      ["split.no", { type: "u16", value: number === 2 ? (change.number ?? 2) : number }],
      ["split.count", { type: "u16", value: 3 }],
      ["split.tensors.count", { type: "i32", value: change.total ?? header.entries.length }],
    ];
    const metadata: GgufMetadata = new Map([...(number === 0 ? header.metadata : []), ...keys]);
    const { prefix, offsets, byteLength } = layoutGguf(metadata, entries);
    const out = Buffer.alloc(byteLength);
    out.set(prefix);
    for (const [i, { byteOffset, byteLength: size }] of entries.entries())
      out.set(bytes.subarray(byteOffset, byteOffset + size), offsets[i]);
    writeFileSync(partName(name, number + 1, 3), out);
  }
  return partName(name, 1, 3);
}

test("a split GGUF is the file it was made from, tensor by tensor", async () => {
  const first = split("model");
  const [a, b] = [await openCheckpoint(whole), await openCheckpoint(first)];
  expect(b.files).toEqual([1, 2, 3].map((number) => partName("model", number, 3)));
  expect(b.config).toEqual(a.config);
  expect([...b.tensors.keys()]).toEqual([...a.tensors.keys()]);
  for (const [name, tensor] of a.tensors) {
    const [x, y] = [new Uint8Array(tensor.byteLength), new Uint8Array(tensor.byteLength)];
    await a.read(tensor, 0, x);
    await b.read(b.tensors.get(name) as typeof tensor, 0, y);
    expect(Buffer.compare(x, y), name).toBe(0);
  }
  await a.close();
  await b.close();
  const { code, stdout } = cli([
    ...["validate", first, "--reference", DEMO_CHECKPOINT, "--tokens", "131", "--quiet", "--json"],
  ]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ verdict: { result: "pass" } });
});

describe("a split GGUF that does not fit together is refused", () => {
  const refused = (path: string, message: RegExp): Promise<void> =>
    expect(openCheckpoint(path)).rejects.toThrow(message);

  test("named by its second file", () => {
    split("second");
    return refused(partName("second", 2, 3), /not the first file of a split GGUF/);
  });

  test("under another name", () => {
    const path = join(folder, "renamed.gguf");
    writeFileSync(path, readFileSync(split("renamed")));
    return refused(path, /expected NAME-00001-of-00003\.gguf/);
  });

  test("a file missing", () => {
    const first = split("missing");
    rmSync(partName("missing", 3, 3));
    return refused(first, /missing-00003-of-00003\.gguf.*no such file/);
  });

  test("a file of another split", () =>
    refused(split("other", { number: 1 }), /split\.no does not fit the file's name \(expected 2, found 1\)/));

  test("another number of tensors", () =>
    refused(
      split("total", { total: 5 }),
      /another number of tensors than they say \(expected 5, found 126\)/,
    ));

  test("a tensor in two files", () =>
    refused(split("twice", { repeat: true, total: header.entries.length + 1 }), /stored twice/));
});
