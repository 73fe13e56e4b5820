import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Loop, loop } from "../lifecycle/loop.ts";

export interface FolderChanges extends Loop {
  /** Resolves at the next change, once it has come to rest. */
  next(): Promise<void>;
}

/** Twice this time is more than an editor needs to write a file, and less than a person minds to wait. */
const LOOK_EVERY_MS = 200;

/**
 * Looks at all files in these folders and below. By looking again and again: no other way sees a change on every disk (a
 * folder that a container shares with its host tells nobody) and by every editor.
 */
export function folderChanges(folders: readonly string[], report: (error: unknown) => void): FolderChanges {
  let seen: string | undefined;
  let isChanging = false;
  let change = Promise.withResolvers<void>();

  async function look(): Promise<number> {
    const now = await pictureOf(folders);
    const isAtRest = seen === undefined || now === seen;
    seen = now;
    if (isAtRest && isChanging) {
      change.resolve();
      change = Promise.withResolvers();
    }
    isChanging = !isAtRest;
    return LOOK_EVERY_MS;
  }

  const looking = loop("changes", look, report);
  return {
    ...looking,
    next: () => change.promise,
    async start() {
      await look();
      await looking.start();
    },
  };
}

/** Names, sizes and times of all files. Packages are left out, for they are many; so is what begins with a dot. */
export async function pictureOf(folders: readonly string[]): Promise<string> {
  return (await Promise.all(folders.map(linesOf))).flat().sort().join("\n");
}

/** A folder that is not there, not yet or not any more, has no lines. */
async function linesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const lines = entries
    .filter(({ name }) => name !== "node_modules" && !name.startsWith("."))
    .map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? linesOf(path) : lineOf(path);
    });
  return (await Promise.all(lines)).flat();
}

async function lineOf(path: string): Promise<string[]> {
  const facts = await stat(path).catch(() => undefined); // gone since its folder was read
  return facts ? [`${path} ${facts.size} ${facts.mtimeMs} ${facts.ino}`] : [];
}
