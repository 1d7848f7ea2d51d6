/** One column of a text table. */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** Rows of text as an aligned table with a rule under the titles; a row `null` is a rule. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[] | null)[]): string {
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...rows.map((row) => (row ? (row[i]?.length ?? 0) : 0))),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, i) => {
        const cell = cells[i] ?? "";
        return column.align === "right" ? cell.padStart(widths[i]) : cell.padEnd(widths[i]);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "─".repeat(width)).join("──");
  return [
    line(columns.map((column) => column.title)),
    rule,
    ...rows.map((row) => (row ? line(row) : rule)),
  ].join("\n");
}
