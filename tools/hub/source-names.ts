import { dataError, usageError } from "../lib/errors.ts";
import { MAX_FILE_NAME_BYTES } from "../lib/limits.ts";

/**
 * `org/name`, neither beginning or ending with a dot or dash, without the "--" that the cache puts between the two. A dataset
 * is `datasets/org/name`, as in the addresses of the Hub, which has no organization of that name.
 */
export const HUB_ID: RegExp =
  /^(?!.*(?:--|\.\.))(?!datasets\/[^/]*$)(?:datasets\/)?\w[\w.-]*(?<![.-])\/\w[\w.-]*(?<![.-])$/;

const DATASETS = "datasets/";

export const isDataset = (id: string): boolean => id.startsWith(DATASETS);

/** What a dataset is called behind its type. */
export const withoutType = (id: string): string => (isDataset(id) ? id.slice(DATASETS.length) : id);

/** `models/org/name` or `datasets/org/name`: a repository in the Hub's interface. */
export const typedId = (id: string): string => (isDataset(id) ? id : `models/${id}`);

/** A repository's folder in the cache. */
export const storeName = (id: string): string => typedId(id).replaceAll("/", "--");

export const isFolderAddress = (text: string): boolean => /^(?:https?|file):\/\//i.test(text);

const CONTROL = /\p{Cc}|\p{Surrogate}|[\u2028\u2029]/u;

/** Why a path must not be followed, or undefined. It is a path with "/" below some folder. */
function pathFault(path: string): string | undefined {
  if (path.startsWith("/")) return "an absolute path";
  if (path.includes("\\")) return "a backslash";
  if (CONTROL.test(path)) return "a control character";
  if (path.split("/").some((part) => part === "..")) return "a way up";
  // Git runs what the configuration in there names.
  if (path.split("/").some((part) => part.toLowerCase() === ".git")) return "git's own folder";
  if (path.split("/").some((part) => part === "" || part === ".")) return "an empty part";
  if (Buffer.byteLength(path) > MAX_FILE_NAME_BYTES) return `more than ${MAX_FILE_NAME_BYTES} bytes`;
  return undefined;
}

/** Refuses a revision that no repository can have: it becomes a path in the cache. */
export function checkRevision(revision: string): void {
  const fault =
    pathFault(revision) ?? (/[\s~^:?*[]/.test(revision) ? "a character that git forbids" : undefined);
  if (fault)
    throw usageError({
      what: "not a revision",
      expected: "a branch, a tag, a commit or refs/pr/N",
      found: `${fault}: ${revision}`,
    });
}

/** Refuses the name of a file that would lead out of the folder it is stored in, or to none. */
export function checkFileName(name: unknown, place: string): string {
  const fault = typeof name === "string" ? pathFault(name) : "no text";
  if (fault)
    throw dataError({
      what: "a file of the listing has no proper name",
      file: place,
      found: `${fault}: ${name}`,
    });
  return name as string;
}
