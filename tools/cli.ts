#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { quantizeCommand } from "./commands/quantize.ts";
import { EXIT, printable, usageError, V4Error } from "./lib/errors.ts";
import { VERSION } from "./lib/package-root.ts";
import { pipelineArrow } from "./pipeline.ts";

/** Runs one command line and returns its exit code. */
async function main(argv: readonly string[]): Promise<number> {
  try {
    await yargs([...argv])
      .scriptName("v4kit")
      .usage(
        `$0 <command> [options]\n\nConvert, prove and measure DeepSeek-V4 checkpoints: ${pipelineArrow()}`,
      )
      .option("json", { type: "boolean", default: false, describe: "print one JSON document on stdout" })
      .option("quiet", { type: "boolean", default: false, describe: "print errors only" })
      .option("debug", { type: "boolean", default: false, describe: "print stacks with errors" })
      .config(
        "config",
        "a YAML file of flags",
        (path) => parse(readFileSync(path, "utf8")) as Record<string, unknown>,
      )
      .command(inspectCommand)
      .command(quantizeCommand)
      .command(demoCommand)
      .command(doctorCommand)
      .demandCommand(1, "name a command")
      .strict()
      .version(VERSION)
      .wrap(Math.min(110, process.stdout.columns ?? 110))
      .exitProcess(false)
      .showHelpOnFail(false)
      .fail((message, error) => {
        throw error instanceof V4Error
          ? error
          : (error ?? usageError({ what: message, next: "see v4kit --help" }));
      })
      .parseAsync();
    return EXIT.done;
  } catch (error) {
    return report(error, argv);
  }
}

/** The one line on stderr, the document on stdout for machines, and the exit code. */
function report(error: unknown, argv: readonly string[]): number {
  const known = error instanceof V4Error;
  const message = error instanceof Error ? error.message : String(error);
  const exitCode = known ? error.exitCode : EXIT.bug;
  if (argv.includes("--json")) {
    const kind = known ? error.kind : "bug";
    process.stdout.write(
      `${JSON.stringify({ error: { kind, exitCode, message, ...(known && { fault: error.fault }) } }, null, 2)}\n`,
    );
  }
  process.stderr.write(
    `v4kit: ${known ? message : `this is a bug: ${printable(message)} (--debug shows where)`}\n`,
  );
  if (argv.includes("--debug") && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return exitCode;
}

process.exitCode = await main(hideBin(process.argv));
