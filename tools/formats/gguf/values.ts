/** Scalar value types of GGUF metadata by their id in the file. */
export const GGUF_SCALARS = [
  { id: 0, name: "u8", bytes: 1 },
  { id: 1, name: "i8", bytes: 1 },
  { id: 2, name: "u16", bytes: 2 },
  { id: 3, name: "i16", bytes: 2 },
  { id: 4, name: "u32", bytes: 4 },
  { id: 5, name: "i32", bytes: 4 },
  { id: 6, name: "f32", bytes: 4 },
  { id: 7, name: "bool", bytes: 1 },
  { id: 8, name: "string", bytes: 8 },
  { id: 10, name: "u64", bytes: 8 },
  { id: 11, name: "i64", bytes: 8 },
  { id: 12, name: "f64", bytes: 8 },
] as const;

export const GGUF_ARRAY_ID = 9;

export type GgufScalarName = (typeof GGUF_SCALARS)[number]["name"];

/** One metadata value with its exact type: loaders are strict about u16 against u32. 64-bit integers are bigint. */
export type GgufValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "u64" | "i64"; readonly value: bigint }
  | { readonly type: Exclude<GgufScalarName, "string" | "bool" | "u64" | "i64">; readonly value: number }
  | { readonly type: "array"; readonly of: "string"; readonly value: readonly string[] }
  | { readonly type: "array"; readonly of: "bool"; readonly value: readonly boolean[] }
  | { readonly type: "array"; readonly of: "u64" | "i64"; readonly value: readonly bigint[] }
  | {
      readonly type: "array";
      readonly of: Exclude<GgufScalarName, "string" | "bool" | "u64" | "i64">;
      readonly value: readonly number[];
    };

export type GgufMetadata = ReadonlyMap<string, GgufValue>;

export const str = (value: string): GgufValue => ({ type: "string", value });
export const u32 = (value: number): GgufValue => ({ type: "u32", value });
export const f32 = (value: number): GgufValue => ({ type: "f32", value });
export const bool = (value: boolean): GgufValue => ({ type: "bool", value });
export const i32s = (value: readonly number[]): GgufValue => ({ type: "array", of: "i32", value });
export const f32s = (value: readonly number[]): GgufValue => ({ type: "array", of: "f32", value });
export const strs = (value: readonly string[]): GgufValue => ({ type: "array", of: "string", value });
