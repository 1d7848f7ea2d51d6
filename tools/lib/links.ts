import { copyFile, readlink, rename, symlink } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { removeFile, renameDurably, syncFolder } from "./disk.ts";
import { systemError } from "./errors.ts";

/** What file systems without symbolic links say: FAT and exFAT, some network shares, Windows without the privilege. */
const NO_LINKS: readonly (string | undefined)[] = ["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL"];

/** Two processes may take turns at removing and making a link, but not for long. */
const LINK_ATTEMPTS = 8;

/**
 * Lets `path` be a relative symbolic link to `target`, which is in the same tree. Where there are none it becomes the file itself: moved
 * there if nobody else needs `target` (`movable`), else copied.
 */
export async function linkOrPlace(
  target: string,
  path: string,
  options: { readonly movable: boolean },
): Promise<void> {
  try {
    await makeLink(relative(dirname(path), target), path);
    await syncFolder(dirname(path));
  } catch (error) {
    if (!NO_LINKS.includes((error as NodeJS.ErrnoException).code)) throw systemError(error, path);
    if (options.movable) return renameDurably(target, path);
    await copyDurably(target, path);
  }
}

/** Makes a link, in the place of what is there; one that another process made meanwhile stays. */
async function makeLink(target: string, path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await symlink(target, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || attempt === LINK_ATTEMPTS) throw error;
    }
    if ((await readlink(path).catch(() => undefined)) === target) return;
    await removeFile(path);
  }
}

async function copyDurably(from: string, to: string): Promise<void> {
  const partial = `${to}.partial`;
  try {
    await copyFile(from, partial);
    await rename(partial, to);
    await syncFolder(dirname(to));
  } catch (error) {
    await removeFile(partial).catch(() => {});
    throw systemError(error, to);
  }
}
