import type { CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";

export const doctorCommand: CommandModule<CommonArgs, CommonArgs> = {
  command: "doctor",
  describe: "Say what this machine has, what v4kit will use, and what is missing",
  handler: async (args) => {
    const { examine, renderFindings } = await import("../doctor/doctor.ts");
    const findings = await examine(process.cwd());
    printResult(args, findings, () => renderFindings(findings));
  },
};
