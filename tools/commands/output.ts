/** Flags every command takes. */
export interface CommonArgs {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
}

/** Prints a command's result: one JSON document on stdout with `--json`, else text for people. */
export function printResult(args: CommonArgs, result: unknown, render: () => string): void {
  if (args.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (!args.quiet) process.stdout.write(`${render()}\n`);
}
