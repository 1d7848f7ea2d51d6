import type { Argv, CommandModule } from "yargs";
import { CHAT_PROFILES, THINKING_MODES } from "../tokenizer/chat-layout.ts";
import type { ChatProfile, ThinkingMode } from "../tokenizer/chat-types.ts";
import type { CommonArgs } from "./output.ts";

interface Args extends CommonArgs {
  messages: string;
  tokenizer: string | undefined;
  profile: ChatProfile | undefined;
  mode: ThinkingMode;
  tools: string | undefined;
  ids: boolean;
  keepReasoning: boolean;
  rawSpecials: boolean;
}

export const chatTemplateCommand: CommandModule<CommonArgs, Args> = {
  command: "chat-template <messages>",
  describe: "Render chat messages as the exact prompt: text, or token ids",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs
      .positional("messages", {
        type: "string",
        describe: "JSON file with the messages, alone or beside their tools; - for stdin",
      })
      .option("tokenizer", {
        type: "string",
        describe: "tokenizer.json, a folder with one, .gguf, or Hub id org/name[@revision]",
      })
      .option("profile", {
        type: "string",
        describe: `${CHAT_PROFILES.join(" or ")}; default: what the config beside the tokenizer says, else v4-preview`,
      })
      .option("mode", { type: "string", default: "nonthink", describe: THINKING_MODES.join(", ") })
      .option("tools", { type: "string", describe: "JSON file with the tools" })
      .option("ids", { type: "boolean", default: false, describe: "print token ids; needs --tokenizer" })
      .option("keep-reasoning", {
        type: "boolean",
        default: false,
        describe: "keep what was thought in earlier turns, as with tools",
      })
      .option("raw-specials", {
        type: "boolean",
        default: false,
        describe: "ids of the prompt as one string: control tokens that messages spell count, as on servers",
      })
      // A value must follow; without this `-` would not count as one.
      .nargs({ messages: 1, tokenizer: 1, profile: 1, mode: 1, tools: 1 })
      .check(({ ids, "raw-specials": raw, tokenizer }) => {
        if ((ids || raw) && tokenizer === undefined)
          throw new Error("ids need --tokenizer: a tokenizer.json, a checkpoint or a .gguf");
        return true;
      }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { printPrompt } = await import("./print-prompt.ts");
    await printPrompt(args);
  },
};
