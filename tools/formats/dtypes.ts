/**
 * The table that knows the formats: every element type and block format that v4kit reads or writes, once.
 * Sources: GGUF type ids and block layouts as in ggml; dtype strings as in safetensors.
 */
export interface DtypeTraits {
  readonly name: Dtype;
  /** Elements per block; 1 for plain element types. */
  readonly blockLength: number;
  readonly blockBytes: number;
  readonly ggmlType?: number;
  readonly safetensors?: string;
  /** `general.file_type` of a GGUF whose main tensors have this format. */
  readonly ggufFileType?: number;
}

const element = (
  bytes: number,
  ggmlType: number | undefined,
  safetensors?: string,
  ggufFileType?: number,
) => ({
  blockLength: 1,
  blockBytes: bytes,
  ...(ggmlType !== undefined && { ggmlType }),
  ...(safetensors && { safetensors }),
  ...(ggufFileType !== undefined && { ggufFileType }),
});
const block = (blockLength: number, blockBytes: number, ggmlType: number, ggufFileType?: number) => ({
  blockLength,
  blockBytes,
  ggmlType,
  ...(ggufFileType !== undefined && { ggufFileType }),
});

const table = {
  f64: element(8, 28, "F64"),
  f32: element(4, 0, "F32", 0),
  f16: element(2, 1, "F16", 1),
  bf16: element(2, 30, "BF16", 32),
  F8_E4M3: element(1, undefined, "F8_E4M3"),
  F8_E5M2: element(1, undefined, "F8_E5M2"),
  F8_E8M0: element(1, undefined, "F8_E8M0"),
  i64: element(8, 27, "I64"),
  i32: element(4, 26, "I32"),
  u32: element(4, undefined, "U32"),
  i16: element(2, 25, "I16"),
  i8: element(1, 24, "I8"),
  u8: element(1, undefined, "U8"),
  bool: element(1, undefined, "BOOL"),
  q4_0: block(32, 18, 2, 2),
  q4_1: block(32, 20, 3),
  q5_0: block(32, 22, 6),
  q5_1: block(32, 24, 7),
  q8_0: block(32, 34, 8, 7),
  q2_K: block(256, 84, 10, 10),
  q3_K: block(256, 110, 11, 12),
  q4_K: block(256, 144, 12, 15),
  q5_K: block(256, 176, 13, 17),
  q6_K: block(256, 210, 14, 18),
  iq2_xxs: block(256, 66, 16, 19),
  iq2_xs: block(256, 74, 17, 20),
  iq3_xxs: block(256, 98, 18, 23),
  iq4_nl: block(32, 18, 20, 25),
  iq3_s: block(256, 110, 21, 26),
  iq2_s: block(256, 82, 22, 28),
  iq4_xs: block(256, 136, 23, 30),
  mxfp4: block(32, 17, 39, 38),
  nvfp4: block(64, 36, 40, 39),
} as const satisfies Record<string, Omit<DtypeTraits, "name">>;

/** A format's name, spelled as upstream spells it. */
export type Dtype = keyof typeof table;

export const DTYPES: ReadonlyMap<Dtype, DtypeTraits> = new Map(
  Object.entries(table).map(([name, traits]) => [name as Dtype, { name: name as Dtype, ...traits }]),
);

const byGgmlType = new Map(
  [...DTYPES.values()].flatMap((traits) =>
    traits.ggmlType === undefined ? [] : [[traits.ggmlType, traits] as const],
  ),
);
const bySafetensors = new Map(
  [...DTYPES.values()].flatMap((traits) =>
    traits.safetensors ? [[traits.safetensors, traits] as const] : [],
  ),
);

export function traitsOf(name: Dtype): DtypeTraits {
  return DTYPES.get(name) as DtypeTraits;
}

export const isDtype = (name: string): name is Dtype => DTYPES.has(name as Dtype);
export const dtypeOfGgmlType = (id: number): DtypeTraits | undefined => byGgmlType.get(id);
export const dtypeOfSafetensors = (name: string): DtypeTraits | undefined => bySafetensors.get(name);

/** Bytes of `count` elements, which must be whole blocks. */
export function byteLengthOf(name: Dtype, count: number): number {
  const { blockLength, blockBytes } = traitsOf(name);
  return (count / blockLength) * blockBytes;
}
