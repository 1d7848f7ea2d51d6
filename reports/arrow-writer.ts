import {
  Schema as ArrowSchema,
  Bool,
  type DataType,
  Field,
  Float64,
  Int32,
  List,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  Struct,
  TimestampMillisecond,
  Uint32,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { createRangedOutput } from "../tools/lib/disk.ts";

const TYPES = {
  utf8: () => new Utf8(),
  bool: () => new Bool(),
  int32: () => new Int32(),
  uint32: () => new Uint32(),
  float64: () => new Float64(),
  /** Milliseconds since 1970, UTC. */
  timestamp: () => new TimestampMillisecond("UTC"),
  "utf8[]": () => new List(new Field("item", new Utf8(), false)),
  "float64[]": () => new List(new Field("item", new Float64(), false)),
} as const satisfies Record<string, () => DataType>;

type TypeName = keyof typeof TYPES;

/** The columns of a table: one for every field of a row, in the order of columns. `?` marks one that may be null. */
export type Schema<Row> = {
  readonly [K in keyof Row]-?: null extends Row[K] ? `${TypeName}?` : TypeName;
};

export interface ArrowOptions<Row> {
  readonly schema: Schema<Row>;
  /** Kept in the file as key-value pairs of its schema. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Rows in one record batch: a table of any length passes in these. */
const BATCH_ROWS = 16_384;

/**
 * Writes an Arrow IPC file, uncompressed (the compressed files of this library are refused by other readers), batch by
 * batch. The file appears under its name when it is complete; equal rows give equal bytes.
 */
export async function writeArrow<Row extends object>(
  path: string,
  rows: Iterable<Row> | AsyncIterable<Row>,
  { schema, metadata }: ArrowOptions<Row>,
): Promise<void> {
  const columns = Object.entries(schema).map(([name, type]) => {
    const nullable = (type as string).endsWith("?");
    const typeName = (nullable ? (type as string).slice(0, -1) : type) as TypeName;
    return { name: name as keyof Row & string, type: TYPES[typeName], nullable };
  });
  const fields = columns.map(({ name, type, nullable }) => new Field(name, type(), nullable));
  const arrowSchema = new ArrowSchema(fields, new Map(Object.entries(metadata)));
  const output = await createRangedOutput(path, { force: true });
  try {
    const writer = new RecordBatchFileWriter();
    writer.reset(undefined, arrowSchema);
    const drained = (async () => {
      let position = 0;
      for await (const chunk of writer) {
        await output.write(chunk, position);
        position += chunk.length;
      }
    })();
    drained.catch(() => {});
    const flush = (batch: readonly Row[]): void => {
      const children = columns.map(
        ({ name, type }) =>
          vectorFromArray(
            batch.map((row) => row[name]),
            type(),
          ).data[0],
      );
      const data = makeData({ type: new Struct(fields), length: batch.length, nullCount: 0, children });
      writer.write(new RecordBatch(arrowSchema, data));
    };
    let batch: Row[] = [];
    for await (const row of rows) {
      batch.push(row);
      if (batch.length < BATCH_ROWS) continue;
      flush(batch);
      batch = [];
    }
    if (batch.length > 0) flush(batch);
    writer.finish();
    await drained;
    await output.commit();
  } finally {
    await output.discard();
  }
}
