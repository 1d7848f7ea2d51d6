import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeFileAtomic } from "../lib/disk.ts";
import { V4Error } from "../lib/errors.ts";
import { buildDriver, LLAMA_RELEASE } from "./llama-libraries.ts";

const run = promisify(execFile);

/** Runs llama.cpp on tokens and returns its logits `[tokens, vocab]`. Builds the small driver with the C compiler. */
export async function llamaLogits(
  libraries: string,
  gguf: string,
  tokens: readonly number[],
): Promise<Float32Array> {
  const folder = await mkdtemp(join(tmpdir(), "v4kit-llama-"));
  try {
    const driver = join(folder, "llama-logits");
    const shared = ["libllama.v0.5.0.so", "libggml.v0.5.0.so", "libggml-base.so"].map((name) =>
      join(libraries, name),
    );
    await buildDriver("llama-logits", driver, [
      ...shared,
      `-Wl,-rpath,${libraries}`,
      "-Wl,--allow-shlib-undefined",
    ]);
    await writeFileAtomic(join(folder, "tokens.i32"), new Uint8Array(Int32Array.from(tokens).buffer));
    await run(driver, [libraries, gguf, join(folder, "tokens.i32"), join(folder, "logits.f32")]);
    const bytes = await readFile(join(folder, "logits.f32"));
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
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
