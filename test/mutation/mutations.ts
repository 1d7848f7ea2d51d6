/** A deliberate error: `search` stands exactly once in `file`, and `replace` in its place makes the pass wrong. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly search: string;
  readonly replace: string;
  /**
   * `official` for a rounding point that no other numerics have: its chaos catches any change of the last digits, so
   * it is asked only where the others have nothing to say.
   */
  readonly judge: "fp32 and qat" | "official";
}

const of = (
  file: string,
  mutations: readonly (readonly [string, string, string])[],
  judge: Mutation["judge"] = "fp32 and qat",
): Mutation[] =>
  mutations.map(([name, search, replace]) => ({
    judge,
    name,
    file: `tools/reference/${file}.ts`,
    search,
    replace,
  }));

const NO_RELU = `((q: Float32Array, w: Float32Array, keys: Float32Array, dim: number, out: Float32Array) => {
  for (let j = 0; j < out.length; j++) {
    out[j] = 0;
    for (let h = 0; h < w.length; h++)
      for (let k = 0; k < dim; k++) out[j] += w[h] * q[h * dim + k] * keys[j * dim + k];
  }
})(`;

const HALF_SPLIT = `const n = cos.length;
  for (let at = width - 2 * n; at < rows.length; at += width)
    for (let j = 0; j < n; j++) {
      const s = inverse ? -sin[j] : sin[j];
      const [a, b] = [rows[at + j], rows[at + n + j]];
      rows[at + j] = a * cos[j] - b * s;
      rows[at + n + j] = a * s + b * cos[j];
    }
  if (n > 0) return;
`;

const TRANSPOSED = `a.map((_, k) => {
  const n = Math.round(a.length / post.length);
  const at = k - (k % (n * n));
  return a[at + (k % n) * n + Math.floor((k - at) / n)];
}))`;

/** The higher index first among equal values. */
const LAST_OF_TIES = `((values: Float32Array, indices: Int32Array) => {
  const order = [...values.keys()].sort((a, b) => values[b] - values[a] || b - a);
  indices.set(order.slice(0, indices.length));
})(`;

/** Errors that implementations of this model have made, or that a reader of its paper could make. */
export const MUTATIONS: readonly Mutation[] = [
  ...of("rope", [
    [
      "pairs of halves instead of neighbours",
      "const pairs = cos.length",
      `${HALF_SPLIT}const pairs = cos.length`,
    ],
    ["the first dimensions rotated", "let at = width - 2 * pairs", "let at = 0"],
    ["no YaRN", "if (ratio === 0) return frequencies", "return frequencies"],
    ["YaRN on sliding layers", "if (ratio === 0) return frequencies", "if (ratio < 0) return frequencies"],
    ["base of sliding layers everywhere", "ratio === 0 ? ropeTheta", "ratio >= 0 ? ropeTheta"],
    ["YaRN the wrong way round", "const ramp = Math.min(", "const ramp = 1 - Math.min("],
  ]),
  ...of("mhc", [
    ["mixing matrix transposed", "post, a)", `post, ${TRANSPOSED}`],
    ["one Sinkhorn iteration less", "iteration = 1; iteration", "iteration = 2; iteration"],
    ["Sinkhorn ends with rows", "normalise(i * n, 1)", "normalise(i, n)"],
    ["no epsilon after the softmax", "/ total + epsilon", "/ total"],
    ["no epsilon in the pre-mix", "* scale[0] + base[i]) + epsilon", "* scale[0] + base[i])"],
    ["no epsilon in the collapse", "+ mhc.epsilon", ""],
    ["post without its factor 2", "2 * sigmoid(", "sigmoid("],
    ["scales of post and mixing exchanged", "* scale[2]", "* scale[1]"],
  ]),
  ...of("moe", [
    [
      "gate clamped from below too",
      "kernels.swiglu(",
      "gate.forEach((g, i) => { gate[i] = Math.max(g, -config.swigluLimit); });\n  kernels.swiglu(",
    ],
    [
      "shared expert not clamped",
      "config.swigluLimit, weights",
      "weights ? config.swigluLimit : 1e30, weights",
    ],
    [
      "routed experts not clamped",
      "config.swigluLimit, weights",
      "weights ? 1e30 : config.swigluLimit, weights",
    ],
    ["bias in the weights", "(scores[e] / total)", "((scores[e] + (bias?.[e] ?? 0)) / total)"],
    ["no bias in the choice", "s + bias[e]", "s + 0 * bias[e]"],
    ["hash table ignored", "if (tid2eid)", "if (tid2eid && k < 0)"],
    ["no routed scale", "* config.routedScale", ""],
    ["weights not normalised", "(scores[e] / total)", "scores[e]"],
    ["no root of the softplus", "Math.sqrt(logit", "(logit"],
    ["no shared expert", "y[i] += shared[i]", "y[i] += 0 * shared[i]"],
    ["ties to the last expert", "kernels.topK(", LAST_OF_TIES],
  ]),
  ...of("attention", [
    ["window one longer", "t - window + 1", "t - window"],
    ["window one shorter", "t - window + 1", "t - window + 2"],
    [
      "CSA row visible one token late",
      "Math.floor((t + 1) / ratio)",
      "Math.floor((t + (ratio === 4 ? 0 : 1)) / ratio)",
    ],
    [
      "HCA row visible one token late",
      "Math.floor((t + 1) / ratio)",
      "Math.floor((t + (ratio === 4 ? 1 : 0)) / ratio)",
    ],
    ["no inverse rotation", "rotate(outputs, headDim, rotation, true)", ""],
    ["no sink", "sinks: weights.sinks,", ""],
    [
      "a sink with a value",
      "rotate(outputs, headDim, rotation, true)",
      "outputs.forEach((o, i) => { outputs[i] = o + 0.05 * Math.exp(weights.sinks[Math.floor(i / headDim)]); });\n    rotate(outputs, headDim, rotation, true)",
    ],
    [
      "queries with the sliding base",
      "rotate(queries, headDim, rotation)",
      "rotate(queries, headDim, rotationAt(t, ropeFrequencies(config, 0)))",
    ],
    [
      "no norm of query heads",
      "rmsNorm(bf16(weights.wqB.apply(qr8, count)), headDim, epsilon)",
      "bf16(weights.wqB.apply(qr8, count))",
    ],
    ["query norm without weight", "qLoraRank, epsilon, weights.qNorm)", "qLoraRank, epsilon)"],
    ["key norm without weight", "headDim, epsilon, weights.kvNorm)", "headDim, epsilon)"],
    ["scale of the rotated part only", "scale: headDim ** -0.5", "scale: config.ropeDim ** -0.5"],
    ["output groups exchanged", "(t * groups + g) * woA.in", "(t * groups + (g + 1) % groups) * woA.in"],
    ["CSA blocks counted from the chunk", "index.traits, t,", "index.traits, i,"],
    [
      "blocks counted from the chunk",
      "compressToken(state.compressed, rowTraits, t,",
      "compressToken(state.compressed, rowTraits, i,",
    ],
  ]),
  ...of("indexer", [
    ["no ReLU in the indexer", "kernels.indexScores(", NO_RELU],
    ["sign of the indexer's scores", "value * indexScale", "value * -indexScale"],
    ["indexer query not rotated", "rotate(queries, headDim, rotation)", ""],
    ["one row less than top-k", "new Int32Array(topK)", "new Int32Array(topK - 1)"],
    ["ties to the last row", "kernels.topK(", LAST_OF_TIES],
  ]),
  ...of("compressor", [
    ["gates without position", "value + ape[slot * width + k]", "value + 0 * ape[slot * width + k]"],
    ["halves exchanged", "overlap ? dim : 0", "0"],
    ["no overlap", "if (overlap) {", "if (overlap && ratio < 0) {"],
    ["row rotated by its last token", "position - ratio + 1)", "position)"],
    ["row norm without weight", "dim, epsilon, norm)", "dim, epsilon)"],
  ]),
  ...of("rounding", [
    ["FQ8 over all dimensions", "row.length - ropeDim, 64", "row.length, 64"],
    ["FQ4 without Hadamard", "indexRow: (row) => fq4(hadamard(row)) }", "indexRow: (row) => fq4(row) }"],
    ["activations in groups of 64", "ACTIVATION_GROUP = 128", "ACTIVATION_GROUP = 64"],
    ["FQ8 in groups of 32", "ropeDim, 64)", "ropeDim, 32)"],
  ]),
  ...of("forward", [
    [
      "no state across chunks",
      "state: state.layers[layer]",
      "state: createAttentionState(config, config.compressRatios[layer])",
    ],
    ["position off by one after a chunk", "state.position += ids.length", "state.position += ids.length - 1"],
    ["no final norm weight", 'await loader.vector("norm.weight")', "undefined"],
  ]),
  ...of("mtp", [
    [
      "hidden state of the next token",
      "streams.slice(0, count * width)",
      "streams.slice(width, (count + 1) * width)",
    ],
    ["norm of the trunk", '"mtp.0.norm.weight"', '"norm.weight"'],
    [
      "embedding added to the first stream only",
      "Math.floor(i / width) * hiddenSize",
      "Math.floor(i / hiddenSize) * hiddenSize",
    ],
  ]),
  ...of("load-layer", [["up taken for gate", "}w1.weight", "}w3.weight"]]),
  ...of("../checkpoint/decode-rows", [
    [
      "scales of the first rows for all",
      "bytes.subarray(from * blockBytes, to * blockBytes)",
      "bytes.subarray(0, (to - from) * blockBytes)",
    ],
  ]),
  ...of(
    "moe",
    [
      ["w2 sees unrounded activations", "activation(bf16(gate), w2.in)", "bf16(gate)"],
      ["w1 and w3 see unrounded activations", "activation(x, config.hiddenSize)", "x"],
      [
        "gate logits in BF16",
        "weights.gate.apply(x, ids.length)",
        "context.rounding.bf16(weights.gate.apply(x, ids.length))",
      ],
    ],
    "official",
  ),
  ...of(
    "attention",
    [
      ["wq_a and wkv see unrounded activations", "activation(x, hiddenSize)", "x"],
      ["wo_b sees unrounded activations", "activation(u, weights.woB.in)", "u"],
      [
        "wo_a sees FP8",
        "groupedProjection(weights.woA, out,",
        "groupedProjection(weights.woA, activation(out, headDim),",
      ],
      ["compressor sees FP8", "projections(weights.compressor, x,", "projections(weights.compressor, x8,"],
      ["queries not rounded after rotation", "bf16(queries);", ""],
    ],
    "official",
  ),
  ...of("compressor", [["pooled row not rounded", "rmsNorm(bf16(row)", "rmsNorm((row)"]], "official"),
  ...of("layer", [["streams stay in float32", "bf16(streams)", "(streams)"]], "official"),
];
