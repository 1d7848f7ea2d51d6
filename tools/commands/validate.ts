import { join } from "node:path";
import type { Argv, CommandModule } from "yargs";
import { EXIT } from "../lib/errors.ts";
import type { Numerics } from "../reference/rounding.ts";
import { withForward } from "./forward-args.ts";
import { type CommonArgs, printResult } from "./output.ts";

interface Args extends CommonArgs {
  artefact: string;
  reference: string | undefined;
  prompts: string | undefined;
  tokensFile: string | undefined;
  tokens: number | undefined;
  numerics: Numerics;
  maxKld: number | undefined;
  tensor: string | undefined;
  manifest: boolean;
  dumpLogits: string | undefined;
  out: string | undefined;
  threads: number;
  restart: boolean;
}

const VERDICT_EXIT = {
  pass: EXIT.done,
  fail: EXIT.negativeVerdict,
  inconclusive: EXIT.inconclusiveVerdict,
} as const;

export const validateCommand: CommandModule<CommonArgs, Args> = {
  command: "validate <artefact>",
  describe: "Prove that an artefact is what its source was: tensors, layers, logits; or run one checkpoint",
  builder: (yargs: Argv<CommonArgs>) =>
    withForward(yargs)
      .positional("artefact", {
        type: "string",
        demandOption: true,
        describe: "a .gguf or a checkpoint folder",
      })
      .option("reference", {
        type: "string",
        describe:
          "the source it was made from: folder, .gguf, or Hub id (without it, the artefact runs alone)",
      })
      .option("prompts", {
        type: "string",
        describe: "texts to run instead of the built-in ones: a .txt, or .jsonl with a prompt per line",
      })
      .option("tokens-file", {
        type: "string",
        describe: 'token ids to run: a JSON array, or {"tokens": [...]}',
      })
      .option("tokens", { type: "number", describe: "run at most this many tokens in all" })
      .option("max-kld", { type: "number", describe: "largest mean KL divergence that passes, in nats" })
      .option("tensor", {
        type: "string",
        describe: "rebuild this one tensor from the reference and compare it byte for byte",
      })
      .option("manifest", {
        type: "boolean",
        default: false,
        describe:
          "check every byte against the manifest, and with --reference the certificate; no forward pass",
      })
      .option("dump-logits", {
        type: "string",
        describe: "write the artefact's logits as float32 [positions, vocab] to this .npy",
      })
      .option("out", {
        type: "string",
        describe: "folder of the run (default: X.v4kit/validation for X.gguf or the folder X)",
      })
      .option("restart", {
        type: "boolean",
        default: false,
        describe: "begin anew instead of going on from an unfinished run",
      })
      // A limit whose value was forgotten must not be no limit.
      .nargs({
        reference: 1,
        prompts: 1,
        "tokens-file": 1,
        tokens: 1,
        "max-kld": 1,
        tensor: 1,
        "dump-logits": 1,
        out: 1,
      })
      .conflicts("prompts", "tokens-file")
      .check(({ tokens, tensor, reference, maxKld }) => {
        if (tokens !== undefined && !(Number.isInteger(tokens) && (tokens as number) >= 1))
          throw new Error("--tokens: expected a whole number of at least 1");
        if (maxKld !== undefined && !((maxKld as number) >= 0))
          throw new Error("--max-kld: expected a number of nats, 0 or more");
        if (reference === undefined && (tensor !== undefined || maxKld !== undefined))
          throw new Error("--tensor and --max-kld need --reference");
        return true;
      }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { resolveLocal } = await import("../hub/resolve.ts");
    const { interruptSignal } = await import("../lib/interrupt.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const artefact = await resolveLocal({ source: args.artefact });
    const reference = args.reference ? await resolveLocal({ source: args.reference }) : undefined;
    if (args.tensor !== undefined && reference) {
      const { rebuildTensor } = await import("../validate/rebuild-tensor.ts");
      const { renderRebuild } = await import("../validate/render.ts");
      const result = await rebuildTensor(artefact.path, reference.path, args.tensor);
      printResult(args, result, () => renderRebuild(result));
      process.exitCode = result.equal ? EXIT.done : EXIT.negativeVerdict;
      return;
    }
    if (args.manifest) {
      const { checkManifest } = await import("../validate/check-manifest.ts");
      const { renderManifest } = await import("../validate/render-manifest.ts");
      const result = await checkManifest({
        artefact: artefact.path,
        ...(reference && { reference: reference.path }),
        threads: args.threads,
        quiet: args.quiet,
        signal: interruptSignal("nothing was written"),
      });
      printResult(args, result, () => renderManifest(result));
      process.exitCode = VERDICT_EXIT[result.result];
      return;
    }
    const { sidecarOf } = await import("../artefact/manifest-file.ts");
    const { validate } = await import("../validate/validate.ts");
    const { renderValidation } = await import("../validate/render.ts");
    const report = await validate({
      artefact: artefact.path,
      ...(reference && { reference: reference.path }),
      out: args.out ?? join(sidecarOf(artefact.path), "validation"),
      numerics: args.numerics,
      threads: args.threads,
      tokens: {
        ...(args.prompts && { prompts: args.prompts }),
        ...(args.tokensFile && { tokensFile: args.tokensFile }),
        ...(args.tokens && { maxTokens: args.tokens }),
      },
      ...(args.maxKld !== undefined && { maxKld: args.maxKld }),
      ...(args.dumpLogits && { dumpLogits: args.dumpLogits }),
      restart: args.restart,
      quiet: args.quiet,
      signal: interruptSignal("the same command goes on where it stopped"),
    });
    printResult(args, report, () => renderValidation(report));
    process.exitCode = VERDICT_EXIT[report.verdict.result];
  },
};
