/** Special tokens that engines and chat templates look for, with tokenizer.json's `special` flag. */
const HEAD: readonly [string, boolean][] = [
  ["<｜begin▁of▁sentence｜>", true],
  ["<｜end▁of▁sentence｜>", true],
  ["<｜▁pad▁｜>", true],
];
const TAIL: readonly [string, boolean][] = [
  ["<｜User｜>", true],
  ["<｜Assistant｜>", true],
  ["<think>", false],
  ["</think>", false],
  ["｜DSML｜", false],
  ["<｜latest_reminder｜>", true],
];

/** Merges that make a few common English pieces, so that a generated vocabulary is more than bytes. */
const MERGES = ["Ġ t", "Ġ a", "h e", "i n", "r e", "Ġt he", "o n", "e r"];

/** The smallest vocabulary a generated checkpoint can have. */
export const MIN_VOCAB = HEAD.length + 256 + MERGES.length + TAIL.length;

/** GPT-2's printable stand-in for every byte. */
function byteAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(printable ? byte : next++);
  });
}

/** A byte-level BPE tokenizer.json with V4's splits and special tokens; ids beyond its tokens stay unused. */
export function generateTokenizer(): object {
  const ordinary = [
    ...HEAD.map(([text]) => text),
    ...byteAlphabet(),
    ...MERGES.map((merge) => merge.replace(" ", "")),
  ];
  const vocab = Object.fromEntries(ordinary.map((text, id) => [text, id]));
  const added = [
    ...HEAD.map(([content, special], id) => ({ id, content, special })),
    ...TAIL.map(([content, special], i) => ({ id: ordinary.length + i, content, special })),
  ];
  const split = (regex: string): object => ({
    type: "Split",
    pattern: { Regex: regex },
    behavior: "Isolated",
    invert: false,
  });
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.map((token) => ({
      ...token,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: true,
    })),
    normalizer: { type: "Sequence", normalizers: [] },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        split("\\p{N}{1,3}"),
        split("[一-龥\u3040-ゟ゠-ヿ]+"),
        split(
          "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
        ),
        byteLevel,
      ],
    },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: MERGES,
    },
  };
}
