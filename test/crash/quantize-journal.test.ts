import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { sourceDigest } from "../../tools/checkpoint/source-identity.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { takeCensus } from "../../tools/model/census.ts";
import { choosePlan } from "../../tools/plan/choose-plan.ts";
import { bytesOfRows } from "../../tools/plan/storage.ts";
import { allPieces } from "../../tools/quantize/convert-plan.ts";
import { fileMetadata } from "../../tools/quantize/gguf-metadata.ts";
import { importanceFacts } from "../../tools/quantize/importance.ts";
import { layoutFile } from "../../tools/quantize/layout-files.ts";
import { placeArtefact } from "../../tools/quantize/place.ts";
import { DIMS } from "../support/attack.ts";
import {
  type Conversion,
  convert,
  failureOf,
  identityOf,
  journalLines,
  journalOf,
  leaveUnfinished,
  sha256,
} from "../support/conversions.ts";
import { pairOf, writeImportanceGguf } from "../support/imatrix.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";
import { copyCheckpoint, shardPaths } from "../support/shards.ts";

const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
const gguf: Omit<Conversion, "out"> = { source: checkpoint, recipe: "lossless-4" };
const nvfp4: Omit<Conversion, "out"> = { source: checkpoint, recipe: "nvfp4" };
const kinds = [
  ["a GGUF", gguf, "model.gguf"],
  ["a folder", nvfp4, "model"],
] as const;
const expected = new Map<string, string[]>();

beforeAll(async () => {
  await generateCheckpoint({ folder: checkpoint, dims: DIMS, seed: 7, storage: "official" });
  for (const [, conversion, name] of kinds) {
    const out = join(folder, "reference", name);
    await convert({ ...conversion, out });
    expected.set(name, identityOf(out));
  }
});

let runs = 0;
/** A place in a fresh folder. */
const fresh = (name: string): string => join(folder, `run-${runs++}`, name);

/** Every file below a folder with its time and bytes. A folder's own time tells that a lock came and went. */
function snapshot(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      return entry.isFile() ? `${file} ${statSync(file).mtimeMs} ${sha256(file)}` : file;
    })
    .sort();
}

/** The unfinished file that holds a piece, and where the piece's first stored byte is. */
async function placeOfPiece(
  conversion: Conversion,
  number: number,
): Promise<{ path: string; byteOffset: number }> {
  const source = await openCheckpoint(conversion.source);
  try {
    const census = takeCensus(source.config, source.tensors, source.location);
    const plan = choosePlan(census, { recipe: conversion.recipe }, sourceDigest(source));
    const metadata = await fileMetadata(source, plan, importanceFacts(plan, undefined));
    for (const placed of allPieces(plan.files.map((file, i) => layoutFile(file, metadata[i])))) {
      if (placed.number !== number) continue;
      const { tensor, parts } = placed.piece;
      return {
        path: placeArtefact(plan, conversion.out).files[placed.fileIndex].partial,
        byteOffset: placed.offsets[0] + bytesOfRows(tensor.outputs[0], parts[0].rowStart),
      };
    }
    throw new Error(`no piece ${number}`);
  } finally {
    await source.close();
  }
}

function flipByte(path: string, byteOffset: number): void {
  const bytes = readFileSync(path);
  bytes[byteOffset] ^= 4;
  writeFileSync(path, bytes);
}

const editJournal = (out: string, change: (lines: string[]) => string[]): void =>
  writeFileSync(
    journalOf(out),
    change(journalLines(out))
      .map((line) => `${line}\n`)
      .join(""),
  );

test.each(kinds)(
  "%s: a bit that flipped in a finished piece: that piece is made again",
  async (_, conversion, name) => {
    const out = fresh(name);
    const pieces = await leaveUnfinished({ ...conversion, out });
    const { path, byteOffset } = await placeOfPiece({ ...conversion, out }, pieces[pieces.length >> 1]);
    flipByte(path, byteOffset);
    const { resumed } = await convert({ ...conversion, out });
    expect(resumed).toBe(pieces.length - 1);
    expect(identityOf(out)).toEqual(expected.get(name));
  },
);

test.each(kinds)(
  "%s: whatever became of the unfinished file, the bytes are right",
  async (_, conversion, name) => {
    const damages: Readonly<Record<string, (path: string, out: string) => void>> = {
      missing: (path) => rmSync(path),
      empty: (path) => truncateSync(path, 0),
      "too long": (path) => appendFileSync(path, Buffer.alloc(1 << 20, 7)),
      "cut off": (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
      "without a journal": (_path, out) => rmSync(journalOf(out)),
      "with an empty journal": (_path, out) => truncateSync(journalOf(out), 0),
      "with half a head": (_path, out) => truncateSync(journalOf(out), 40),
      "with a torn line": (_path, out) => truncateSync(journalOf(out), statSync(journalOf(out)).size - 9),
      "with zeros after a power cut": (_path, out) => appendFileSync(journalOf(out), Buffer.alloc(4096)),
      "with a piece twice": (_path, out) => editJournal(out, (lines) => [...lines, lines[1]]),
      "with a piece that no plan has": (_path, out) =>
        editJournal(out, (lines) => [...lines, lines[1].replace(/"piece":\d+/, '"piece":123456')]),
    };
    const begun = fresh(name);
    const pieces = await leaveUnfinished({ ...conversion, out: begun });
    // In the reduced tier a folder suffers every third: the code is the same.
    for (const [i, [damage, apply]] of Object.entries(damages).entries()) {
      if (!FULL && name === "model" && i % 3 !== 2) continue;
      const out = fresh(name);
      cpSync(dirname(begun), dirname(out), { recursive: true });
      apply((await placeOfPiece({ ...conversion, out }, pieces[0])).path, out);
      await convert({ ...conversion, out });
      expect(identityOf(out), damage).toEqual(expected.get(name));
      expect(existsSync(journalOf(out))).toBe(false);
      expect(readdirSync(dirname(out)).filter((entry) => entry.endsWith(".partial"))).toEqual([]);
    }
  },
);

test.each(kinds)(
  "%s: another conversion's journal is refused with the difference",
  async (_, conversion, name) => {
    const other = join(folder, `touched-${runs++}`);
    copyCheckpoint(checkpoint, other);
    const importance = fresh("importance.gguf");
    mkdirSync(dirname(importance));
    const stack = pairOf(
      "blk.0.ffn_gate_exps.weight",
      Array(DIMS.expertCount * 256).fill(1),
      Array(DIMS.expertCount).fill(1),
    );
    writeImportanceGguf(importance, stack);
    const editHead = (out: string, key: string, value: string): void =>
      editJournal(out, ([head, ...lines]) => [
        JSON.stringify({ ...(JSON.parse(head) as object), [key]: value }),
        ...lines,
      ]);
    const attempts: readonly (readonly [string, RegExp, (out: string) => Partial<Conversion>])[] = [
      ["another plan", /the plan differs/, () => ({ recipe: name === "model" ? "int4-g128" : "q8" })],
      [
        "another encoder",
        /the encoders differs \(expected \w+@0, found \w+@\d+\)/,
        (out) => {
          const { encoders } = JSON.parse(journalLines(out)[0]) as { encoders: string };
          editHead(out, "encoders", encoders.replace(/@\d+/, "@0"));
          return {};
        },
      ],
      [
        "another version",
        /the version of v4kit differs \(expected 0\.0\.0-other, found /,
        (out) => {
          editHead(out, "v4kit", "0.0.0-other");
          return {};
        },
      ],
      ["another importance file", /the importance file differs/, () => ({ imatrix: importance })],
      // Last, because it stays so.
      [
        "a touched source",
        /the source differs \(expected model-\d+.*:\d+:\d+, found model-\d+.*:\d+:\d+\)/,
        () => {
          utimesSync(shardPaths(other)[0], 1, 1);
          return {};
        },
      ],
    ];
    const begun = fresh(name);
    await leaveUnfinished({ ...conversion, source: other, out: begun });
    for (const [title, message, change] of attempts) {
      const out = fresh(name);
      cpSync(dirname(begun), dirname(out), { recursive: true });
      const own = { ...conversion, source: other, out };
      const now = { ...own, ...change(out) };
      const before = snapshot(dirname(out));
      const failure = await failureOf(convert(now));
      expect(failure, title).toMatch(/^64 .*an unfinished conversion of something else lies here/);
      expect(failure, title).toMatch(message);
      expect(failure).toMatch(/give --restart to begin anew, or another --out$/);
      expect(snapshot(dirname(out)), title).toEqual(before);
      if (!FULL && title !== "another plan") continue;
      const { status, resumed } = await convert({ ...now, restart: true });
      expect([status, resumed]).toEqual(["done", 0]);
      expect(readdirSync(dirname(out)).filter((entry) => entry.endsWith(".partial"))).toEqual([]);
    }
  },
);

test.each(kinds)("%s: a journal that v4kit did not write is one clear error", async (_, conversion, name) => {
  const garbage: Readonly<Record<string, (lines: string[]) => string[]>> = {
    "no JSON": (lines) => [lines[0], "garbage", ...lines.slice(1)],
    "half a line in the middle": (lines) => [lines[0], lines[1].slice(0, 20), ...lines.slice(2)],
    "control characters": (lines) => [lines[0], "\u0000\u0007", ...lines.slice(1)],
    null: (lines) => [lines[0], "null", ...lines.slice(1)],
    "a number": (lines) => [lines[0], "5", ...lines.slice(1)],
    "a record without checksums": (lines) => [lines[0], '{"piece":0}', ...lines.slice(1)],
    "a record with other types": (lines) => [
      lines[0],
      lines[1].replace(/"out":\[[^\]]*\]/, '"out":"x"'),
      ...lines.slice(2),
    ],
    "no head": (lines) => lines.slice(1),
    "a null head": (lines) => ["null", ...lines.slice(1)],
    "a head of numbers": (lines) => [lines[0].replace(/"plan":"[^"]*"/, '"plan":7'), ...lines.slice(1)],
    "a hostile head": (lines) => ['{"__proto__":{"plan":"x"}}', ...lines.slice(1)],
  };
  const out = fresh(name);
  await leaveUnfinished({ ...conversion, out });
  const lines = journalLines(out);
  for (const [title, change] of Object.entries(garbage)) {
    editJournal(out, () => change(lines));
    const before = snapshot(dirname(out));
    expect(await failureOf(convert({ ...conversion, out })), title).toMatch(
      /^65 .*journal\.jsonl: line [12] is not what v4kit writes; .*--restart/,
    );
    expect(snapshot(dirname(out)), title).toEqual(before);
  }
  await convert({ ...conversion, out, restart: true });
  expect(identityOf(out)).toEqual(expected.get(name));
});

test("a restart removes the unfinished files of a plan that had others", async () => {
  const out = fresh("model.gguf");
  await leaveUnfinished({ ...gguf, out, splitBytes: 1_000_000 });
  const partials = () => readdirSync(dirname(out)).filter((entry) => entry.endsWith(".partial"));
  expect(partials().length).toBeGreaterThan(2);
  writeFileSync(join(dirname(out), "model-2.gguf.partial"), "another artefact's");
  await convert({ ...gguf, out, restart: true });
  expect(identityOf(out)).toEqual(expected.get("model.gguf"));
  expect(partials()).toEqual(["model-2.gguf.partial"]);
});

test.each(kinds)(
  "%s: what is finished is up to date, and nothing is touched",
  async (_, conversion, name) => {
    const out = fresh(name);
    await convert({ ...conversion, out });
    const before = snapshot(dirname(out));
    const { status } = await convert({ ...conversion, out });
    expect(status).toBe("up to date");
    expect(snapshot(dirname(out))).toEqual(before);
  },
);

test.each(kinds)(
  "%s: only what is whole, and of this very source, is up to date",
  async (_, conversion, name) => {
    const out = fresh(name);
    const other = join(folder, `other-weights-${runs++}`);
    await convert({ ...conversion, out });
    // The same headers, other weights: a fine-tune.
    await generateCheckpoint({ folder: other, dims: DIMS, seed: 8, storage: "official" });
    expect(await failureOf(convert({ ...conversion, source: other, out }))).toMatch(/^64 .*exists already/);
    const file = name === "model" ? join(out, "model-00002-of-00005.safetensors") : out;
    const whole = readFileSync(file);
    truncateSync(file, 100);
    expect(await failureOf(convert({ ...conversion, out }))).toMatch(/^64 .*exists already/);
    writeFileSync(file, whole);
    expect((await convert({ ...conversion, out })).status).toBe("up to date");
    const manifest = join(dirname(out), "model.v4kit/manifest.json");
    const text = readFileSync(manifest, "utf8");
    for (const edited of [text.replace('"mtp": "', '"mtp": "x'), "{", "null", "[]", "5"]) {
      writeFileSync(manifest, edited);
      expect(await failureOf(convert({ ...conversion, out })), edited.slice(0, 9)).toMatch(
        /^65 .*manifest\.json: the manifest /,
      );
    }
    rmSync(manifest);
    expect(await failureOf(convert({ ...conversion, out }))).toMatch(/^64 .*exists already/);
    expect(readFileSync(file).equals(whole)).toBe(true);
    expect((await convert({ ...conversion, out, force: true })).status).toBe("done");
    expect(identityOf(out)).toEqual(expected.get(name));
    rmSync(out, { recursive: true });
    rmSync(join(dirname(out), "mtp-model.gguf"), { force: true });
    expect((await convert({ ...conversion, out })).status).toBe("done");
    expect(identityOf(out)).toEqual(expected.get(name));
  },
);

test("a folder is replaced by --force only where it is a model, and never the source's", async () => {
  const out = fresh("model");
  await convert({ source: checkpoint, recipe: "int4-g128", out });
  writeFileSync(join(out, "config.json"), "{}");
  const old = snapshot(out);
  expect(await failureOf(convert({ ...nvfp4, out }))).toMatch(/^64 .*exists already; give --force/);
  expect(snapshot(out)).toEqual(old);
  // The releases' own folder may be among the files.
  mkdirSync(join(out, "encoding"));
  writeFileSync(join(out, "encoding/README.md"), "");
  await convert({ ...nvfp4, out, force: true });
  expect(identityOf(out)).toEqual(expected.get("model"));
  expect(readFileSync(join(out, "config.json"), "utf8")).not.toBe("{}");
  expect(readdirSync(dirname(out)).sort()).toEqual(["model", "model.v4kit"]);

  const home = fresh("home");
  mkdirSync(join(home, "photos"), { recursive: true });
  writeFileSync(join(home, "x.safetensors"), "");
  for (const force of [false, true])
    expect(await failureOf(convert({ ...nvfp4, out: home, force }))).toMatch(
      force ? /^65 .*no model.*photos/ : /^64/,
    );
  const notes = fresh("notes");
  mkdirSync(notes, { recursive: true });
  writeFileSync(join(notes, "note.txt"), "");
  expect(await failureOf(convert({ ...nvfp4, out: notes, force: true }))).toMatch(/^65 .*no \.safetensors/);

  const source = copyCheckpoint(checkpoint, fresh("source"));
  const before = snapshot(dirname(source));
  for (const target of [source, `${source}/`])
    expect(await failureOf(convert({ source, recipe: "nvfp4", out: target, force: true }))).toMatch(
      /^64 .*would replace its own source/,
    );
  expect(snapshot(dirname(source))).toEqual(before);
});

test("a GGUF does not replace the GGUF that it is made from", async () => {
  const out = fresh("model.gguf");
  mkdirSync(dirname(out));
  cpSync(join(folder, "reference/model.gguf"), out);
  const before = sha256(out);
  expect(await failureOf(convert({ source: out, recipe: "lossless-4", out, force: true }))).toMatch(
    /^64 .*would replace its own source/,
  );
  expect(sha256(out)).toBe(before);
  renameSync(out, join(dirname(out), "other.gguf"));
  expect((await convert({ source: join(dirname(out), "other.gguf"), recipe: "q8", out })).status).toBe(
    "done",
  );
});

test("an interrupt while finished pieces are being compared keeps them all", async () => {
  const out = fresh("model.gguf");
  const pieces = await leaveUnfinished({ ...gguf, out });
  const again = await leaveUnfinished({ ...gguf, out }, 3);
  expect(again).toEqual(pieces);
  expect((await convert({ ...gguf, out })).resumed).toBe(pieces.length);
  expect(identityOf(out)).toEqual(expected.get("model.gguf"));
});

test("a run that finished nothing leaves nothing", async () => {
  for (const [, conversion, name] of kinds) {
    const out = fresh(name);
    mkdirSync(dirname(out));
    expect(
      await failureOf(
        convert({ ...conversion, out, signal: AbortSignal.abort(new Error("stop")) }).catch(
          (error: Error) => {
            expect(error.message).toBe("stop");
          },
        ),
      ),
    ).toBe("0");
    expect(readdirSync(dirname(out))).toEqual([]);
  }
});

test("a dry run touches nothing, whatever lies there", async () => {
  for (const [, conversion, name] of kinds) {
    const out = fresh(name);
    await leaveUnfinished({ ...conversion, out });
    const before = snapshot(folder);
    for (const target of [out, fresh(name)]) {
      const { status } = await convert({ ...conversion, out: target, dryRun: true });
      expect(status).toBe("dry run");
    }
    expect(snapshot(folder)).toEqual(before);
  }
});
