import { copyFile, rename, symlink } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { removeFile, renameDurably, syncFolder } from "./disk.ts";
import { systemError } from "./errors.ts";

/** What file systems without symbolic links say: FAT and exFAT, some network shares, Windows without the privilege. */
const NO_LINKS: readonly (string | undefined)[] = ["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL"];

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
    await removeFile(path);
    await symlink(relative(dirname(path), target), path);
    await syncFolder(dirname(path));
  } catch (error) {
    if (!NO_LINKS.includes((error as NodeJS.ErrnoException).code)) throw systemError(error, path);
    if (options.movable) return renameDurably(target, path);
    await copyDurably(target, path);
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
