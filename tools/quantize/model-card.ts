import type { CertifiedClass, Manifest } from "../artefact/manifest-file.ts";
import { printable } from "../lib/errors.ts";
import { formatBytes, formatCount } from "../lib/units.ts";
import type { OutputClass } from "../plan/output-classes.ts";
import type { OutputFormat } from "../plan/recipe.ts";

/** What a format is called on the Hub, and who reads it as far as their sources and release notes say. */
interface FormatFacts {
  readonly title: string;
  readonly library?: string;
  readonly tag: string;
  readonly engines: string;
}

const FORMATS: Readonly<Record<OutputFormat, FormatFacts>> = {
  gguf: {
    title: "GGUF",
    tag: "gguf",
    engines: "llama.cpp (architecture `deepseek4`) and what is built on it",
  },
  "ds4-gguf": { title: "GGUF for ds4", tag: "gguf", engines: "ds4, which fixes the type of every tensor" },
  native: {
    title: "FP4 and FP8 in the official layout",
    library: "transformers",
    tag: "fp8",
    engines: "whatever loads the official release: vLLM, SGLang, transformers",
  },
  nvfp4: {
    title: "NVFP4 experts (ModelOpt)",
    tag: "nvfp4",
    engines: "vLLM and SGLang, whose kernels for it want a Blackwell GPU",
  },
  "compressed-tensors": {
    title: "INT4 experts (compressed-tensors, W4A16)",
    tag: "compressed-tensors",
    engines: "SGLang; vLLM had no released loader of this method for the model",
  },
  fp8: {
    title: "FP8",
    library: "transformers",
    tag: "fp8",
    engines: "vLLM and SGLang on GPUs without FP4, and transformers",
  },
  bf16: {
    title: "BF16",
    library: "transformers",
    tag: "bf16",
    engines: "transformers, and tools for fine-tuning that know the official names",
  },
  mlx: { title: "MLX", library: "mlx", tag: "mlx", engines: "mlx-lm, where it knows `deepseek_v4`" },
};

/**
 * The model card of an artefact, in Markdown with the Hub's front matter. Everything in it follows from the manifest's
 * digest: no date, no place, nothing of the machine.
 */
export function modelCard(manifest: Manifest, classes: readonly OutputClass[]): string {
  const { model, recipe } = manifest;
  const facts = FORMATS[manifest.format as OutputFormat];
  return [
    frontMatter(manifest, facts),
    `# ${model}: ${facts.title}`,
    `A checkpoint with the geometry and the storage of ${model}, converted by v4kit ${manifest.v4kit} with the recipe ${recipe.name}@${recipe.version}: ${plainText(recipe.title)}.`,
    contents(manifest, classes),
    certificate(manifest),
    `## Importance\n\n${importance(manifest)}`,
    `## Where it loads\n\nThe format is made for ${facts.engines}. v4kit ran none of them on this artefact.`,
    checking(manifest),
    fingerprints(manifest),
  ]
    .join("\n\n")
    .concat("\n");
}

function frontMatter({ model }: Manifest, { library, tag }: FormatFacts): string {
  // A checkpoint that is no release has no repository of that name.
  const released = !model.startsWith("DeepSeek-V4-tiny");
  return [
    "---",
    "license: mit",
    ...(released ? [`base_model: deepseek-ai/${model}`, "base_model_relation: quantized"] : []),
    ...(library ? [`library_name: ${library}`] : []),
    "pipeline_tag: text-generation",
    "tags:",
    ...["deepseek_v4", tag, "v4kit"].map((name) => `- ${name}`),
    "---",
  ].join("\n");
}

function contents({ dispositions, dropped }: Manifest, classes: readonly OutputClass[]): string {
  const { quantized, preserved, externalised } = dispositions;
  const rows = classes.map(({ role, file, from, to, tensors, byteLength }) => [
    file === "mtp" ? `${role} (drafter's file)` : role,
    from,
    to === "source" ? "as it is" : to,
    formatCount(tensors),
    formatBytes(byteLength),
  ]);
  const fates = [
    `${formatCount(preserved)} kept every value`,
    `${formatCount(quantized)} were re-encoded with loss`,
    ...(externalised > 0 ? [`${formatCount(externalised)} went into a file of their own`] : []),
    dropped.length > 0
      ? `${formatCount(dropped.length)} were left out on request (\`${plainText(dropped[0])}\` is the first)`
      : "none was left out",
  ];
  return [
    "## What is in it",
    table(["role", "from", "to", "tensors", "bytes"], rows, 3),
    `Of the source's tensors ${fates.join(", ")}.`,
  ].join("\n\n");
}

/** Says what was verified and nothing else: a class with one value unaccounted for is not called exact. */
function certificate({ certificate: classes, dispositions }: Manifest): string {
  const exact = classes.filter(isExact);
  const said =
    exact.length === classes.length
      ? "Every value of the classes below was copied, or decoded again and compared with the source's, when it was written: all are equal."
      : "The values of the classes below were copied, or decoded again and compared with the source's, when they were written. A class is exact where nothing changed.";
  const rows = classes.map(({ role, from, to, values, verified, changed, scales }) => [
    role,
    from,
    to === "source" ? "as it is" : to,
    formatCount(values),
    formatCount(verified),
    formatCount(changed),
    scales ? `2^${scales[0] - 127} to 2^${scales[1] - 127}` : "",
  ]);
  return [
    "## What is certain",
    ...(classes.length === 0
      ? ["No class of tensors is promised to be exact."]
      : [said, table(["role", "from", "to", "values", "equal", "changed", "E8M0 scales"], rows, 3)]),
    ...(dispositions.quantized > 0
      ? ["What is not exact was re-encoded with loss; how much that costs, only a validation tells."]
      : []),
  ].join("\n\n");
}

const isExact = ({ values, verified, changed }: CertifiedClass): boolean =>
  changed === 0 && verified === values;

function importance({ importance: { mode, sha256, unmeasured } }: Manifest): string {
  if (mode === "imatrix")
    return [
      `Where the encoders weigh errors, they did so by an importance file (SHA-256 \`${sha256}\`).`,
      ...(unmeasured > 0 ? [`It had no measurement for ${formatCount(unmeasured)} of the pieces.`] : []),
    ].join(" ");
  return mode === "weight-energy"
    ? "No importance file was used: the energy of the weights stood in, which costs quality at 2 and 3 bits."
    : "No importance file was used.";
}

function checking({ files, format }: Manifest): string {
  const artefact = format.endsWith("gguf") ? files[0].name : "FOLDER";
  return [
    "## How to check it",
    `\`\`\`sh\nv4kit validate ${artefact} --manifest              # every byte against the manifest\nv4kit validate ${artefact} --reference SOURCE      # tensors, layers and logits against the source\n\`\`\``,
    "The manifest lies in the folder that ends in `.v4kit`, with a table of every tensor. The same source, recipe and version give the same bytes on any machine.",
  ].join("\n\n");
}

function fingerprints({
  v4kit,
  recipe,
  plan,
  source,
  digest,
  encoders,
  importance: { sha256 },
}: Manifest): string {
  const rows = [
    ["v4kit", v4kit],
    ["recipe", `${recipe.name}@${recipe.version}`],
    ["encoders", encoders.join(" ") || "none"],
    ["plan", `\`${plan}\``],
    ["source (configuration, names, shapes)", `\`${source.digest}\``],
    ...(sha256 ? [["importance", `\`${sha256}\``]] : []),
    ["artefact (manifest's digest)", `\`${digest}\``],
  ];
  return `## Fingerprints\n\n${table(["of", ""], rows, 2)}`;
}

/** A Markdown table whose columns from `numbersFrom` on are set to the right. */
function table(titles: readonly string[], rows: readonly (readonly string[])[], numbersFrom: number): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = titles.map((_, i) => (i < numbersFrom ? "---" : "--:"));
  return [line(titles), `|${rule.join("|")}|`, ...rows.map(line)].join("\n");
}

/** Text that a user's file brought: one line, and no markup. */
const plainText = (text: string): string => printable(text).replace(/[\\`*_<>[\]|#]/g, "\\$&");
