type Scalar = number | bigint | boolean;

interface ScalarType<Name extends string> {
  /** Its number in the file. */
  readonly id: number;
  readonly name: Name;
  readonly bytes: number;
  readonly get: (view: DataView, at: number) => Scalar;
  readonly set: (view: DataView, at: number, value: Scalar) => void;
}

/** A little-endian scalar by the suffix of DataView's accessors (`Uint16` for getUint16 and setUint16). */
function scalar<Name extends string>(
  id: number,
  name: Name,
  bytes: number,
  accessor: string,
): ScalarType<Name> {
  type Accessors = Record<string, (at: number, ...rest: (Scalar | boolean)[]) => Scalar>;
  return {
    id,
    name,
    bytes,
    get: (view, at) => (view as unknown as Accessors)[`get${accessor}`](at, true),
    set: (view, at, value) => (view as unknown as Accessors)[`set${accessor}`](at, value, true),
  };
}

/** Scalar value types of GGUF metadata. Strings are not among them: they have no fixed length. */
const SCALARS = [
  scalar(0, "u8", 1, "Uint8"),
  scalar(1, "i8", 1, "Int8"),
  scalar(2, "u16", 2, "Uint16"),
  scalar(3, "i16", 2, "Int16"),
  scalar(4, "u32", 4, "Uint32"),
  scalar(5, "i32", 4, "Int32"),
  scalar(6, "f32", 4, "Float32"),
  { ...scalar(7, "bool", 1, "Uint8"), get: (view: DataView, at: number) => view.getUint8(at) !== 0 },
  scalar(10, "u64", 8, "BigUint64"),
  scalar(11, "i64", 8, "BigInt64"),
  scalar(12, "f64", 8, "Float64"),
] as const;

/** Ids of the two value types that are not scalars of fixed length. */
const GGUF_STRING_ID = 8;
export const GGUF_ARRAY_ID = 9;

export type GgufScalarName = (typeof SCALARS)[number]["name"] | "string";

const byName = new Map<string, ScalarType<string>>(SCALARS.map((type) => [type.name, type]));
const byId = new Map<number, ScalarType<string>>(SCALARS.map((type) => [type.id, type]));

export const ggufScalar = (name: Exclude<GgufScalarName, "string">): ScalarType<string> =>
  byName.get(name) as ScalarType<string>;

/** Name of a scalar type by its number, or undefined. */
export const ggufScalarName = (id: number): GgufScalarName | undefined =>
  id === GGUF_STRING_ID ? "string" : (byId.get(id)?.name as GgufScalarName | undefined);

/** Number of a scalar type. */
export const ggufScalarId = (name: GgufScalarName): number =>
  name === "string" ? GGUF_STRING_ID : ggufScalar(name).id;

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
