import { readFileSync } from "node:fs";
import { readlink, rename, symlink, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { systemError, V4Error } from "./errors.ts";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in kernel ticks where /proc tells it: a reused pid is another process. */
  readonly started: string;
}

/** Lets a lock go. */
export type Release = () => Promise<void>;

/**
 * Takes the lock of an output for this process; a second process on the same output is refused. The lock of a
 * process that died on this host is taken over. Returns the release function.
 */
export async function lockOutput(outputPath: string): Promise<Release> {
  const taken = await tryLockOutput(outputPath);
  if (typeof taken === "function") return taken;
  throw new V4Error("temporary", {
    what: `${taken.holder} is writing this output`,
    file: outputPath,
    next: `wait for it, or choose another --out (if that process is gone, remove ${lockPathOf(outputPath)})`,
  });
}

/**
 * As `lockOutput`; where another process has the lock, says which.
 *
 * The lock is a symbolic link whose target says who holds it: made in one step, it never exists without its
 * content, however its maker dies.
 */
export async function tryLockOutput(outputPath: string): Promise<Release | { readonly holder: string }> {
  const path = lockPathOf(outputPath);
  const mine = JSON.stringify({
    pid: process.pid,
    host: hostname(),
    started: processAt(process.pid).started,
  } satisfies Holder);
  for (let attempt = 0; attempt < 8; attempt++) {
    if (await makeLock(path, mine)) return releaseOf(path);
    const found = await readHolder(path);
    if (found === undefined) continue;
    if (isHeld(found)) return { holder: holderIn(found) };
    await removeStale(path, found);
  }
  return { holder: holderIn("") };
}

function releaseOf(path: string): Release {
  let held = true;
  return async () => {
    // Once let go, what has that name is somebody else's lock.
    if (!held) return;
    held = false;
    await unlink(path).catch(() => {});
  };
}

export const lockPathOf = (outputPath: string): string => `${outputPath}.lock`;

async function makeLock(path: string, content: string): Promise<boolean> {
  try {
    await symlink(content, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw systemError(error, path);
  }
}

/** What a lock says; undefined when it is gone, nothing when it is no lock of ours. */
async function readHolder(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : "";
  }
}

function isHeld(content: string): boolean {
  let holder: Holder;
  try {
    holder = JSON.parse(content) as Holder;
  } catch {
    // Something else has that name: not ours to remove.
    return true;
  }
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const { state, started } = processAt(holder.pid);
  // A zombie has ended; in a container whose first process collects none it stays for ever.
  return state !== "Z" && (started === "" || started === holder.started);
}

/** Moves a dead process's lock away. If another process replaced it in between, its lock is put back. */
async function removeStale(path: string, content: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
    const moved = await readlink(aside);
    if (moved !== content) await makeLock(path, moved);
    await unlink(aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw systemError(error, path);
  }
}

/** Empty where /proc tells nothing. */
function processAt(pid: number): { readonly state: string; readonly started: string } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command name in parentheses may hold spaces; the first field after it is the state, the 20th the start time.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", started: fields[19] ?? "" };
  } catch {
    return { state: "", started: "" };
  }
}

function holderIn(content: string): string {
  try {
    const { pid, host } = JSON.parse(content) as Holder;
    return `process ${pid} on ${host}`;
  } catch {
    return "another process";
  }
}
