#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { benchCommand } from "./commands/bench.ts";
import { chatTemplateCommand } from "./commands/chat-template.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { downloadCommand } from "./commands/download.ts";
import { generateCommand } from "./commands/generate.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { planCommand } from "./commands/plan.ts";
import { quantizeCommand } from "./commands/quantize.ts";
import { validateCommand } from "./commands/validate.ts";
import { dataError, EXIT, printable, systemError, usageError, V4Error } from "./lib/errors.ts";
import { VERSION } from "./lib/package-root.ts";
import { pipelineArrow } from "./pipeline.ts";

/** Runs one command line and returns its exit code. */
async function main(argv: readonly string[]): Promise<number> {
  try {
    await yargs([...argv])
      .scriptName("v4kit")
      // Of a flag given twice the last one counts.
      .parserConfiguration({ "duplicate-arguments-array": false })
      .usage(
        `$0 <command> [options]\n\nConvert, prove and measure DeepSeek-V4 checkpoints: ${pipelineArrow()}`,
      )
      .option("json", { type: "boolean", default: false, describe: "print one JSON document on stdout" })
      .option("quiet", { type: "boolean", default: false, describe: "print errors only" })
      .option("debug", { type: "boolean", default: false, describe: "print stacks with errors" })
      .config("config", "a YAML file of flags", readFlags)
      .command(downloadCommand)
      .command(inspectCommand)
      .command(planCommand)
      .command(quantizeCommand)
      .command(validateCommand)
      .command(generateCommand)
      .command(chatTemplateCommand)
      .command(benchCommand)
      .command(demoCommand)
      .command(doctorCommand)
      .epilogue(
        "Exit codes: 0 done, 1 negative verdict, 2 inconclusive, 64 usage, 65 bad data, 66 missing input,\n" +
          "69 unavailable, 70 bug, 74 input/output, 75 try again, 77 not permitted, 130 interrupted.",
      )
      .demandCommand(1, "name a command")
      .strict()
      .version(VERSION)
      .wrap(Math.min(110, process.stdout.columns ?? 110))
      .exitProcess(false)
      .showHelpOnFail(false)
      .fail((message, error) => {
        // With a message the command line itself is wrong; without one a command has failed.
        throw error instanceof V4Error || !message
          ? error
          : usageError({ what: message.replace(/\s+/g, " "), next: "see v4kit --help" });
      })
      .parseAsync();
    // A command with a verdict has said so.
    return Number(process.exitCode ?? EXIT.done);
  } catch (error) {
    return report(error, argv);
  }
}

/** The flags in a YAML file, by their long names. */
function readFlags(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw systemError(error, path);
  }
  try {
    return parse(text) as Record<string, unknown>;
  } catch (error) {
    throw dataError({
      what: `not valid YAML: ${(error as Error).message.split("\n")[0].replace(/:$/, "")}`,
      file: path,
    });
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

// A reader that has heard enough (`| head`) is no fault; anything else on the way to it is.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE")
    process.stderr.write(`v4kit: ${(systemError(error, "standard output") as Error).message}\n`);
  process.exit(EXIT.io);
});

process.exitCode = await main(hideBin(process.argv));
