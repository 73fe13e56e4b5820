import { randomBytes } from "node:crypto";
import {
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

const FILE = "secrets.key";
const KEY_BYTES = 32;
const OWNER_ONLY = 0o600;

/** The key that lies in the data directory; undefined when there is none. */
export function readKeyFile(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, FILE), "utf8").trim();
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * The key that lies in the data directory, made if there is none. It is written whole under another name first, and never
 * over one that is there: of several processes that start at once all get the same key.
 */
export function makeKeyFile(dataDir: string): string {
  const found = readKeyFile(dataDir);
  if (found !== undefined) return found;
  const draft = join(dataDir, `${FILE}.${crypto.randomUUID()}`);
  try {
    writeDurably(draft, `${randomBytes(KEY_BYTES).toString("base64")}\n`);
    giveToOwnerOf(dataDir, draft);
    linkSync(draft, join(dataDir, FILE));
    syncFolder(dataDir);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readKeyFile(dataDir)!;
}

/** A key that a power cut takes back takes with it all that it encrypted. */
function writeDurably(path: string, text: string): void {
  const file = openSync(path, "wx", OWNER_ONLY);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Else the name may be gone after one. */
function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Made by root, it must not keep that user out who starts us later. */
function giveToOwnerOf(dataDir: string, path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(dataDir);
  chownSync(path, uid, gid);
}
