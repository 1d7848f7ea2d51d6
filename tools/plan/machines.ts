import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";
import { dataError } from "../lib/errors.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";
import { parseBytes } from "../lib/units.ts";
import { CONTEXTS, cacheBytes, computeBytes, type ModelNeeds } from "./memory.ts";

/** A machine by the memory that is left for a model on it. */
export interface Machine {
  readonly title: string;
  /** GPUs of equal size; a machine with unified memory is one. */
  readonly devices: number;
  readonly deviceBytes: number;
  /** Main memory that experts may lie in beside a GPU; 0 where there is none of its own. */
  readonly ramBytes: number;
}

/** What of a model a machine holds. */
export interface MachineFit {
  readonly title: string;
  /** Where the weights lie: on the devices, or the experts in main memory. */
  readonly placement: "device" | "experts in RAM" | "none";
  /** The largest of the contexts looked at, in tokens; 0 where not even the smallest fits. */
  readonly context: number;
  /** Of all memory of the machine, what the model leaves at that context, or lacks at the smallest (then below 0). */
  readonly freeBytes: number;
}

const Size = v.pipe(
  v.string(),
  v.transform((text) => parseBytes(text, "size")),
);
const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const MachineYaml = v.strictObject({
  title: v.string(),
  devices: v.optional(Count, 1),
  device_memory: Size,
  ram: v.optional(Size),
});

const FOLDER = join(PACKAGE_ROOT, "configs/machines");

/** Reads a description of a machine. */
export function parseMachine(text: string, file: string): Machine {
  try {
    const { title, devices, device_memory: deviceBytes, ram } = v.parse(MachineYaml, parse(text));
    return { title, devices, deviceBytes, ramBytes: ram ?? 0 };
  } catch (error) {
    const [issue] = error instanceof v.ValiError ? error.issues : [];
    const where = issue ? `${v.getDotPath(issue) ?? "(root)"}: ` : "";
    throw dataError({ what: `machine: ${where}${(error as Error).message.split("\n")[0]}`, file });
  }
}

/** The machines that v4kit knows, the smallest first. */
export function knownMachines(): readonly Machine[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => parseMachine(readFileSync(join(FOLDER, file), "utf8"), join(FOLDER, file)))
    .sort((a, b) => totalBytes(a) - totalBytes(b));
}

const totalBytes = ({ devices, deviceBytes, ramBytes }: Machine): number => devices * deviceBytes + ramBytes;

/**
 * The largest context at which a machine holds a model. The one head of keys and values cannot be shared out, so every
 * device has the whole cache and a compute buffer of its own, and its share of the weights. Experts that do not fit go
 * to main memory where the machine has it.
 */
export function fitOn(machine: Machine, needs: ModelNeeds): MachineFit {
  const { title } = machine;
  const contexts = CONTEXTS.filter((context) => context <= needs.config.contextLength);
  const fits = contexts.map((context) => holds(machine, needs, context));
  const best = fits.findLastIndex(({ placement }) => placement !== "none");
  const { placement, freeBytes } = fits[Math.max(0, best)];
  return { title, placement, context: best < 0 ? 0 : contexts[best], freeBytes };
}

function holds(machine: Machine, needs: ModelNeeds, context: number): Omit<MachineFit, "title" | "context"> {
  const { devices, deviceBytes, ramBytes } = machine;
  const { expertBytes, otherBytes, cache, config } = needs;
  const working = devices * (cacheBytes(cache, context) + computeBytes(config, context));
  const onDevices = devices * deviceBytes - working - otherBytes;
  const freeBytes = onDevices + ramBytes - expertBytes;
  if (onDevices >= expertBytes) return { placement: "device", freeBytes: onDevices - expertBytes };
  if (onDevices >= 0 && freeBytes >= 0) return { placement: "experts in RAM", freeBytes };
  // Memory of one kind does not make up for a lack of the other.
  return { placement: "none", freeBytes: Math.min(onDevices, freeBytes) };
}
