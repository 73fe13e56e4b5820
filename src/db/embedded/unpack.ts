import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { give, type User } from "./as_user.ts";
import type { DataDir } from "./data_dir.ts";
import { copyPackage, postgresPackage } from "./package_tree.ts";

/** The PostgreSQL that we bring. */
export interface Brought {
  version: string;
  /** Puts its files under `target`, which does not exist yet. */
  fill(target: string): Promise<void>;
}

/** As the build names it: postgres-18.4.0.tar.zst. */
const ARCHIVE = /^postgres-(.+)\.tar\.zst$/;

/** Packed into the executable, or, when run from source, as npm installed it. */
export function brought(): Brought | undefined {
  if (Bun.isStandaloneExecutable) return packed();
  const found = postgresPackage(`${process.platform}-${process.arch}`);
  return found && { version: found.version, fill: async (target) => copyPackage(found, target) };
}

function packed(): Brought | undefined {
  for (const file of Bun.embeddedFiles) {
    const version = ("name" in file ? String(file.name) : "").match(ARCHIVE)?.[1];
    if (version) return { version, fill: (target) => extract(file, target) };
  }
  return undefined;
}

async function extract(file: Blob, target: string): Promise<void> {
  mkdirSync(target);
  await new Bun.Archive(await Bun.zstdDecompress(await file.bytes())).extract(target);
}

/**
 * Unpacks into `postgres-<version>` unless it is there, and answers the path. The tree gets its name only
 * when it is whole, on the disk and found to run: a crash half way leaves an unfinished tree that the next
 * start throws away.
 */
export async function unpackOnce(
  postgres: Brought,
  dir: DataDir,
  user: User | undefined,
  check: (tree: string) => Promise<unknown>,
): Promise<string> {
  const tree = join(dir.path, `postgres-${postgres.version}`);
  if (existsSync(tree)) return tree;
  const unfinished = `${tree}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  try {
    await postgres.fill(unfinished);
    chmodSync(unfinished, 0o755);
    give(unfinished, user);
    await check(unfinished);
    await syncTree(unfinished);
    renameSync(unfinished, tree);
    await sync(dir.path);
    return tree;
  } finally {
    rmSync(unfinished, { recursive: true, force: true }); // what failed, on a disk that is full perhaps
  }
}

/** Enough for the disk to gather what it writes, and no more files open than anyone allows. */
const SYNCED_AT_ONCE = 32;

async function syncTree(root: string): Promise<void> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name));
  for (let from = 0; from < files.length; from += SYNCED_AT_ONCE)
    await Promise.all(files.slice(from, from + SYNCED_AT_ONCE).map(sync));
  await sync(root);
}

/** Forces a file, or the names in a directory, onto the disk: what a power cut must not undo. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
