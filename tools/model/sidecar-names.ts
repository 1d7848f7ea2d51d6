const TESTS = ["1", "2", "3", "4"].flatMap((n) => [
  `tests/test_input_${n}.json`,
  `tests/test_output_${n}.txt`,
]);

/** What the releases have beside their tensors and engines read, by name: a folder is never walked. */
export const SIDECAR_NAMES: readonly string[] = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  ...["README.md", "encoding_dsv4.py", "test_encoding_dsv4.py", ...TESTS].map((name) => `encoding/${name}`),
];
