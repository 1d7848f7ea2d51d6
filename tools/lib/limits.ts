/** Every limit of the toolkit, each with its reason. */

const MiB = 2 ** 20;

/** Safetensors' own limit for the JSON header. Flash's largest is about 0.3 MB; more is an attack on memory. */
export const MAX_SAFETENSORS_HEADER_BYTES = 100_000_000;

/** Pro's index with 145,116 names is 13 MB. */
export const MAX_INDEX_BYTES = 256 * MiB;

/** config.json, tokenizer_config.json and the like: a few KiB in practice. */
export const MAX_CONFIG_BYTES = 4 * MiB;

/** The official tokenizer.json is 6.4 MB. */
export const MAX_TOKENIZER_BYTES = 128 * MiB;

/** Metadata and tensor infos of a GGUF: 129,280 tokens and 127,741 merges take about 6 MB. */
export const MAX_GGUF_HEADER_BYTES = 256 * MiB;

/** GGUF strings and names: the loader refuses longer tensor names, and no key needs more than this. */
export const MAX_GGUF_NAME_BYTES = 63;

/** llama.cpp's own maximum of dimensions. */
export const MAX_GGUF_DIMS = 4;

/** More layers, experts or heads than any planned release; keeps a hostile config from making us enumerate forever. */
export const MAX_LAYERS = 1024;
export const MAX_EXPERTS = 65_536;

/** Bytes of input plus output that one conversion task holds: large enough to hide per-task cost, small enough for many workers. */
export const TASK_BYTES = 16 * MiB;

/** f32 values a worker decodes at once (its scratch is four times that many bytes). */
export const TASK_VALUES = 2 * MiB;

/** Shard headers read at the same time: they are small, the latency of a network disk is not. */
export const HEADER_READS = 8;

/** Texts or token ids that a validation runs: more would take days. */
export const MAX_PROMPTS_BYTES = 64 * MiB;

/**
 * Activations that a streamed layer holds; tokens beyond it wait in a file, and every batch reads its experts again. The
 * built-in prompts of Flash fit in one.
 */
export const MAX_ACTIVATION_BYTES = 1024 * MiB;

/** Tokens whose queries exist at once: a token of Pro has 0.5 MB of them before and after attention. */
export const MAX_ATTENTION_TOKENS = 256;

/** Logits of one checkpoint that exist at once: the vocabulary passes in tiles, never as a whole. */
export const MAX_LOGIT_VALUES = 8 * MiB;

/** Entries of a legacy importance file, each a read and a name in memory: Pro with one per expert has 70,272. */
export const MAX_IMATRIX_ENTRIES = 131_072;

/** The name of the calibration text in a legacy importance file: a path in practice. */
export const MAX_IMATRIX_DATASET_BYTES = 65_536;

/** Bytes of a file that are hashed at once: enough to hide the cost of a read. */
export const HASH_BYTES = 4 * MiB;

/** A line of a log that is read a piece at a time: a sample's row with its references and tries is a few KiB. */
export const MAX_LOG_LINE_BYTES = 16 * MiB;

/** Bytes of such a log that are read at once. */
export const LINE_READ_BYTES = MiB;

/** A prompt of a million tokens is 5 MB of text, a reply of 384 thousand 2 MB. */
export const MAX_BLOB_BYTES = 64 * MiB;

/** run.json of an evaluation: its contract names every task. */
export const MAX_RUN_BYTES = 4 * MiB;

/** Samples of one evaluation, 13 bytes each in memory: all of LiveCodeBench a hundred times are 105,500. */
export const MAX_SAMPLES = 10_000_000;

/** Characters of one event of a stream: a token with its log-probabilities has some hundred. */
export const MAX_EVENT_CHARS = 16 * MiB;

/** Characters of one reply: 384K tokens, the longest that any server gives, are about 2 million. */
export const MAX_REPLY_CHARS = 64 * MiB;

/** Bytes of an answer that is no reply (a list of models, an error): OpenRouter's list of models is about 1 MB. */
export const MAX_ANSWER_BYTES = 16 * MiB;

/** The longest wait that a server may ask for: past it a scheduler should run the command again. */
export const MAX_RETRY_AFTER_MS = 600_000;

/** A key and nothing else: the longest ones are signed tokens of a few KiB. */
export const MAX_API_KEY_BYTES = 16_384;

/** Nesting of JSON in a prompt: tool schemas and arguments have a dozen levels; Python gives up at about a thousand. */
export const MAX_JSON_DEPTH = 500;

/** A file of chat messages: a million tokens of text are about 5 MB. */
export const MAX_MESSAGES_BYTES = 64 * MiB;

/** Words whose ids are kept, and their longest: a million tokens of prose have some 50,000 different words. */
export const MAX_CACHED_WORDS = 262_144;
export const MAX_CACHED_WORD = 64;

/** A text of the user's for haystacks: a million tokens are about 5 MB, and shorter texts are repeated. */
export const MAX_ESSAY_BYTES = 64 * MiB;

/** Token counts of haystack units kept while a prompt is sized: lists of a million tokens have more different lines. */
export const MAX_CACHED_UNITS = 100_000;

/** Documents and questions of RULER's QA tasks, which are drawn at random: HotpotQA's development set is 47 MB. */
export const MAX_QA_BYTES = 256 * MiB;

/** One record of a JSON dataset; LongBench v2's longest is about 16 MB. */
export const MAX_RECORD_BYTES = 64 * MiB;
