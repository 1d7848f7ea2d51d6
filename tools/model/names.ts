import { dataError } from "../lib/errors.ts";

/** Some re-uploads put the official names under `model.`; everything inside uses the bare official name. */
export const officialName = (name: string): string =>
  name.startsWith("model.") ? name.slice("model.".length) : name;

/** Substrings that only the module names of transformers contain. */
const TRANSFORMERS_MARKS = [
  ".self_attn.",
  ".mlp.",
  "_hc.fn",
  "lm_head.",
  "embed_tokens.",
  "weight_scale_inv",
  "input_layernorm.",
];

/** Refuses a checkpoint whose tensors were renamed by transformers, naming the fact rather than the first odd tensor. */
export function refuseTransformersNames(names: Iterable<string>, location: string): void {
  for (const name of names) {
    if (!TRANSFORMERS_MARKS.some((mark) => name.includes(mark))) continue;
    throw dataError({
      what: "this checkpoint was re-saved by transformers under its own tensor names",
      file: location,
      tensor: name,
      expected: "official names such as layers.0.attn.wq_a.weight",
      next: "use the official release",
    });
  }
}
