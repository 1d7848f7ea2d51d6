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

/**
 * What is asked for of a shard elsewhere before its header's length is known. Flash's headers are 0.2 to 0.3 MB, so most
 * take one request; bytes beyond a short header cost less than a second round trip.
 */
export const SPECULATIVE_HEADER_BYTES = 256 * 1024;

/** What `quantize --stream` fetches as one: a request costs a round trip, which this hides, and a cut loses little. */
export const STREAM_UNIT_BYTES = 16 * MiB;

/** Bytes between two ranges that are fetched with them: at 100 MB/s and 40 ms a request costs as much as 4 MB. */
export const STREAM_GAP_BYTES = 256 * 1024;

/** Disk that waits between network and conversion: less than a minute of 100 MB/s, and a matrix of 2 GB can be read twice. */
export const STREAM_WINDOW_BYTES = 4096 * MiB;

/** A smaller window holds too few ranges to keep connections busy. */
export const MIN_STREAM_WINDOW_BYTES = MiB;

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

/**
 * Bytes of one request of a download: enough to hide its latency, and so few that the connections stay close together in
 * a file, whose hash follows them. Towards the end of a file requests get smaller, so that all connections have work.
 */
export const SEGMENT_BYTES = 32 * MiB;
export const MIN_SEGMENT_BYTES = 4 * MiB;

/** Bytes that a connection gathers before it writes them: a write and a journal line cost little beside them. */
export const PIECE_BYTES = MiB;

/** Connections of a download. More than a server's patience helps nobody. */
export const MAX_CONNECTIONS = 64;

/** Files of a download whose last bytes have come and whose hash has not: a slow processor must not open them all. */
export const MAX_UNHASHED_FILES = 4;

/** Bytes with which a dry run measures the rate. */
export const PROBE_BYTES = 16 * MiB;

/** Bytes of a file that are hashed at once: enough to hide the cost of a read. */
export const HASH_BYTES = 4 * MiB;

/** Redirects that are followed: the Hub and its storage need two or three. */
export const MAX_REDIRECTS = 10;

/** Patience with a host that does not take a connection, or with one that has gone silent: links over satellites need seconds. */
export const CONNECT_MS = 15_000;
export const STALL_MS = 30_000;

/** Of the body of a refusal, for the message; of any other body nobody wants, so that its connection can be kept. */
export const MAX_REFUSAL_BYTES = 4096;
export const MAX_DROPPED_BYTES = 65_536;

/** Failures in a row without a byte of progress, and the longest pause between two: two minutes or so on the whole. */
export const MAX_FAILURES = 8;
export const MAX_PAUSE_MS = 60_000;

/** A server that asks for more patience than this is asked again by the next run, not by this one. */
export const MAX_RETRY_AFTER_MS = 600_000;

/** One page of a listing has 1,000 files in about 300 KB. */
export const MAX_LISTING_PAGE_BYTES = 16 * MiB;

/** What the chunk storage says of 32 MiB of a file: a term and an address for every chunk would be some 2 MB. */
export const MAX_RECONSTRUCTION_BYTES = 16 * MiB;

/** A server that gives empty pages for ever must come to an end. */
export const MAX_LISTING_PAGES = 200;

/** Files of one repository, and folders: the largest release has 91 shards and some 30 others. */
export const MAX_LISTED_FILES = 100_000;

/** A name in a repository: what file systems take as a path. */
export const MAX_FILE_NAME_BYTES = 1024;

/** Larger than any disk, and exact as a number. */
export const MAX_FILE_BYTES = 2 ** 50;

/** A read of a file:// source: large enough to hide its cost, small beside the window of a transfer. */
export const LOCAL_CHUNK_BYTES = MiB;

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
