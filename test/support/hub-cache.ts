import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { RepositorySetup } from "../fixtures/hub-server/protocol.ts";
import { ROOT } from "./cli.ts";

type Content = { readonly text: string } | { readonly base64: string };
/** A folder, a link's target, a file's content, or that of a file of the repository, by revision and name. */
type Entry = null | { readonly link: string } | { readonly file: string } | Content;
export type CacheTree = Readonly<Record<string, Entry>>;

interface CachesVector {
  readonly id: string;
  readonly lfs: readonly string[];
  readonly main: Readonly<Record<string, Content>>;
  readonly changedInTag: Readonly<Record<string, Content>>;
  /** `main` and the tag, downloaded by Python. */
  readonly complete: CacheTree;
  /** `main`, while Python was killed over its last file. */
  readonly interrupted: CacheTree;
}

/** What `test/vectors/hub-cache/make.py` saw. */
export const CACHES = JSON.parse(
  readFileSync(join(ROOT, "test/vectors/hub-cache/caches.json"), "utf8"),
) as CachesVector;
export const TAG = "v1.0";
/** The file that Python was fetching when it was killed. */
export const UNFINISHED = "model-00002-of-00002.safetensors";
export const REPOSITORY_FOLDER = `models--${CACHES.id.replace("/", "--")}`;

const bytesOf = (content: Content): Buffer =>
  "text" in content ? Buffer.from(content.text) : Buffer.from(content.base64, "base64");

const REVISIONS = { main: CACHES.main, [TAG]: { ...CACHES.main, ...CACHES.changedInTag } };
const FILES = Object.entries(REVISIONS).flatMap(([revision, files]) =>
  Object.entries(files).map(([name, content]) => ({ name: `${revision}/${name}`, bytes: bytesOf(content) })),
);

function place(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

/** Writes the repository of the vector below a folder. */
export function vectorRepository(folder: string): Readonly<Record<string, RepositorySetup>> {
  for (const { name, bytes } of FILES) place(join(folder, name), bytes);
  const revisions = { [TAG]: join(folder, TAG) };
  return { [CACHES.id]: { folder: join(folder, "main"), revisions, lfs: CACHES.lfs } };
}

/** Makes a cache as it was described. */
export function buildTree(folder: string, tree: CacheTree): void {
  for (const [name, entry] of Object.entries(tree)) {
    const path = join(folder, name);
    if (entry === null) mkdirSync(path, { recursive: true });
    else if ("link" in entry) symlinkSync(entry.link, path);
    else if ("file" in entry) place(path, FILES.find(({ name }) => name === entry.file)!.bytes);
    else place(path, bytesOf(entry));
  }
}

/** Describes a cache as `make.py` does. */
export function describeTree(folder: string): CacheTree {
  const names = (readdirSync(folder, { recursive: true }) as string[]).sort();
  return Object.fromEntries(names.map((name) => [name, describeEntry(join(folder, name))]));
}

function describeEntry(path: string): Entry {
  const facts = lstatSync(path);
  if (facts.isDirectory()) return null;
  if (facts.isSymbolicLink()) return { link: readlinkSync(path) };
  const bytes = readFileSync(path);
  const file = bytes.length > 0 && FILES.find((candidate) => candidate.bytes.equals(bytes));
  return file ? { file: file.name } : { text: bytes.toString() };
}

/** What both tools share: blobs, snapshots, listings and references. */
export const sharedPart = (tree: CacheTree): CacheTree =>
  Object.fromEntries(
    Object.entries(tree).filter(([name]) =>
      ["blobs", "snapshots", "trees", "refs"].some((part) => name.startsWith(`${REPOSITORY_FOLDER}/${part}`)),
    ),
  );
