import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeFileAtomic } from "../lib/disk.ts";
import { V4Error } from "../lib/errors.ts";
import { buildDriver, LLAMA_RELEASE, linkFlags } from "./llama-libraries.ts";

const run = promisify(execFile);

export interface DriverRun {
  readonly name: "llama-logits" | "llama-speed";
  readonly libraries: string;
  readonly gguf: string;
  readonly tokens: readonly number[];
}

/**
 * Compiles one of our llama.cpp drivers, runs it on a model and tokens in a folder of its own, with further arguments,
 * and hands its standard output and the folder to `use`.
 */
export async function withDriver<T>(
  { name, libraries, gguf, tokens }: DriverRun,
  more: (folder: string) => readonly string[],
  use: (stdout: string, folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "v4kit-llama-"));
  try {
    const driver = join(folder, name);
    await buildDriver(name, driver, linkFlags(libraries));
    await writeFileAtomic(join(folder, "tokens.i32"), new Uint8Array(Int32Array.from(tokens).buffer));
    const { stdout } = await run(driver, [libraries, gguf, join(folder, "tokens.i32"), ...more(folder)]);
    return await use(stdout, folder);
  } catch (error) {
    const { code, stderr } = error as { code?: number; stderr?: string };
    const why = {
      3: "its parameter layout is not the known one",
      4: "it refused the model",
      5: "it made no context",
      6: "decoding failed",
    }[code ?? 0];
    throw new V4Error(
      "unavailable",
      {
        what: `${LLAMA_RELEASE} could not be run: ${why ?? "the driver failed"} ${stderr?.trim() ?? ""}`.trim(),
        file: gguf,
      },
      error,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
