import { expect, test } from "vitest";
import { sidecarOf } from "../../tools/artefact/manifest-file.ts";
import type { OutputPlan, PlannedFile } from "../../tools/plan/output-plan.ts";
import { isOutputOf, placeArtefact } from "../../tools/quantize/place.ts";

const file = (name: string, rest: Partial<PlannedFile> = {}): PlannedFile =>
  ({ kind: "model", name, tensors: [], ...rest }) as PlannedFile;
const plan = (format: string, files: readonly PlannedFile[]) => ({ format, files }) as unknown as OutputPlan;

test("a GGUF with a drafter, split and whole", () => {
  const mtp = file("mtp.gguf", { kind: "mtp" });
  const whole = placeArtefact(plan("gguf", [file("model.gguf"), mtp]), "a/X.gguf");
  expect(whole.files.map(({ final }) => final)).toEqual(["a/X.gguf", "a/mtp-X.gguf"]);
  const split = { split: { number: 0, count: 2 } };
  const parts = [file("model-00001-of-00002.gguf", split), file("model-00002-of-00002.gguf", split), mtp];
  const { out, files, sidecar, folder } = placeArtefact(plan("gguf", parts), "a/X.gguf");
  expect(files.map(({ final }) => final)).toEqual([
    "a/X-00001-of-00002.gguf",
    "a/X-00002-of-00002.gguf",
    "a/mtp-X.gguf",
  ]);
  expect([out, sidecar, folder]).toEqual(["a/X-00001-of-00002.gguf", "a/X.v4kit", undefined]);
  for (const { final, partial } of files) expect(partial).toBe(`${final}.partial`);
});

test("a folder is written beside its place, also where its name ends in a slash", () => {
  for (const out of ["a/X", "a/X/"]) {
    const place = placeArtefact(plan("nvfp4", [file("model-00001-of-00001.safetensors")]), out);
    expect(place.folder?.partial).toBe("a/X.partial");
    expect(place.files[0]).toEqual({
      final: "a/X/model-00001-of-00001.safetensors",
      partial: "a/X.partial/model-00001-of-00001.safetensors",
    });
    expect(place.sidecar).toBe("a/X.v4kit");
  }
});

test("a name of the wrong kind is refused", () => {
  expect(() => placeArtefact(plan("gguf", []), "X")).toThrow("must be a .gguf file");
  expect(() => placeArtefact(plan("nvfp4", []), "X.gguf")).toThrow("must be a folder");
});

test("one sidecar for all names of an artefact, and only for those", () => {
  for (const out of ["X.gguf", "X", "X/", "X-00001-of-00003.gguf"]) expect(sidecarOf(out)).toBe("X.v4kit");
  for (const name of ["X", "X.gguf", "mtp-X.gguf", "X-00002-of-00003.gguf"])
    expect(isOutputOf("X", name), name).toBe(true);
  for (const name of ["X2.gguf", "X-2.gguf", "mtp-X", "Y.gguf", "X-00001-of-00003", "aX.gguf"])
    expect(isOutputOf("X", name), name).toBe(false);
});
