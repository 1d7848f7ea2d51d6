/** Exit codes of the command line. Job schedulers retry on `temporary` alone. */
export const EXIT = {
  done: 0,
  negativeVerdict: 1,
  inconclusiveVerdict: 2,
  usage: 64,
  data: 65,
  input: 66,
  unavailable: 69,
  bug: 70,
  io: 74,
  temporary: 75,
  permission: 77,
  interrupted: 130,
} as const;

export type ErrorKind = Exclude<keyof typeof EXIT, "done" | "negativeVerdict" | "inconclusiveVerdict">;

/** One fault as its parts; `render` puts them in one line. */
export interface Fault {
  readonly what: string;
  readonly file?: string;
  readonly tensor?: string;
  /** Byte offset in the file. */
  readonly offset?: number;
  readonly expected?: string;
  readonly found?: string;
  /** What the reader should do next, as a sentence without its full stop. */
  readonly next?: string;
}

/** An error with the one line a user needs and the exit code a script needs. */
export class V4Error extends Error {
  readonly kind: ErrorKind;
  readonly fault: Fault;

  constructor(kind: ErrorKind, fault: Fault, cause?: unknown) {
    super(render(fault), cause === undefined ? undefined : { cause });
    this.name = "V4Error";
    this.kind = kind;
    this.fault = fault;
  }

  get exitCode(): number {
    return EXIT[this.kind];
  }
}

/** Control characters of hostile names must not reach a terminal; long ones must not fill it. */
export function printable(text: string, limit = 160): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to remove
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "\ufffd");
  return clean.length > limit ? `${clean.slice(0, limit - 1)}…` : clean;
}

function render(fault: Fault): string {
  const where = [
    fault.file,
    fault.tensor && `tensor ${fault.tensor}`,
    fault.offset !== undefined && `byte ${fault.offset}`,
  ]
    .filter((part): part is string => typeof part === "string")
    .map((part) => printable(part, 300));
  const compared = [fault.expected && `expected ${fault.expected}`, fault.found && `found ${fault.found}`]
    .filter(Boolean)
    .join(", ");
  let line = [...where, printable(fault.what, 600)].join(": ");
  if (compared) line += ` (${printable(compared, 600)})`;
  if (fault.next) line += `; ${fault.next}`;
  return line;
}

/** Exit 65: what we were given is wrong. */
export const dataError = (fault: Fault, cause?: unknown): V4Error => new V4Error("data", fault, cause);
/** Exit 66: what we need is not there. */
export const inputError = (fault: Fault, cause?: unknown): V4Error => new V4Error("input", fault, cause);
/** Exit 64: the command was called in a way it does not offer. */
export const usageError = (fault: Fault): V4Error => new V4Error("usage", fault);

/** Turns a Node system error into one of ours; any other error is returned as it is. */
export function systemError(error: unknown, file: string): unknown {
  if (error instanceof V4Error || !(error instanceof Error) || !("code" in error)) return error;
  const code = String(error.code);
  switch (code) {
    case "ENOENT":
      return inputError({ what: "no such file or folder", file }, error);
    case "ENOTDIR":
    case "EISDIR":
    case "EEXIST":
    case "ELOOP":
      return inputError({ what: `not what the path says (${code})`, file }, error);
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new V4Error(
        "permission",
        { what: `not permitted (${code})`, file, next: "check the owner and mode" },
        error,
      );
    case "ENOSPC":
    case "EDQUOT":
      return new V4Error(
        "io",
        { what: "the disk is full", file, next: "free space and run the same command again" },
        error,
      );
    case "EFBIG":
      return new V4Error(
        "io",
        {
          what: "the file would exceed the largest size allowed here",
          file,
          next: "raise the file-size limit (ulimit -f) or choose another file system",
        },
        error,
      );
    case "EIO":
      return new V4Error("io", { what: "the device reported a read or write error", file }, error);
    case "EMFILE":
    case "ENFILE":
      return new V4Error(
        "temporary",
        { what: "too many open files", file, next: "raise the limit (ulimit -n)" },
        error,
      );
    default:
      return new V4Error("io", { what: `input/output error ${code}`, file }, error);
  }
}
