import { withDriver } from "./llama-driver.ts";

/** Seconds that llama.cpp takes for a prompt, and then for `decoded` single tokens. */
export function llamaSpeed(
  libraries: string,
  gguf: string,
  tokens: readonly number[],
  { decoded, threads }: { readonly decoded: number; readonly threads: number },
): Promise<{ readonly prefill: number; readonly decode: number }> {
  return withDriver(
    { name: "llama-speed", libraries, gguf, tokens },
    () => [String(decoded), String(threads)],
    async (stdout) => {
      const [prefill, decode] = stdout.trim().split(" ").map(Number);
      return { prefill, decode };
    },
  );
}
