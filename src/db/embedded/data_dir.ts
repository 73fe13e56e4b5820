import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { EmbeddedError } from "./errors.ts";

/** What lies where: all of it inside `path`, except a socket whose path would be too long. */
export interface DataDir {
  path: string;
  /** The cluster: PostgreSQL's own data directory. */
  cluster: string;
  serverLog: string;
  /** Held while the server is being started or stopped. */
  startLock: string;
  /** Held shared by every process that uses the server. */
  useLock: string;
}

/** Makes the directory if there is none. One that is neither empty nor ours is refused before it is touched. */
export function openDataDir(given: string): DataDir {
  const wanted = resolve(given);
  refuseUnspeakable(wanted);
  try {
    mkdirSync(wanted, { recursive: true, mode: 0o755 });
  } catch (cause) {
    throw new EmbeddedError(`cannot make the data directory ${wanted}: ${messageOf(cause)}`, { cause });
  }
  // One name for one place: processes recognise each other's server by its path.
  const dir = layout(realpathSync(wanted));
  refuseClosed(dir);
  refuseForeign(dir);
  letOthersPass(dir);
  return dir;
}

function layout(path: string): DataDir {
  return {
    path,
    cluster: join(path, "pgdata"),
    serverLog: join(path, "postgres.log"),
    startLock: join(path, "start.lock"),
    useLock: join(path, "use.lock"),
  };
}

/** initdb puts the path between double quotes into a shell command, and does not mind what it means there. */
function refuseUnspeakable(path: string): void {
  const found = path.match(/["$`\\\n]/)?.[0];
  if (found)
    throw new EmbeddedError(`the path of the data directory may not hold ${JSON.stringify(found)}: ${path}`);
}

function refuseClosed({ path, cluster }: DataDir): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new EmbeddedError(`this process may not write into the data directory ${path}`, { cause });
  }
  const us = process.getuid?.();
  const owner = existsSync(cluster) ? statSync(cluster).uid : us;
  if (us !== 0 && owner !== us)
    throw new EmbeddedError(
      `the database in ${path} belongs to user ${owner}, and this process runs as user ${us}. ` +
        `Start it as that user, or give it away first: chown -R ${us} ${path}`,
    );
}

/** A new file system has one. */
const HARMLESS = new Set(["lost+found"]);

function refuseForeign({ path, cluster, startLock }: DataDir): void {
  // One look, because another process may be starting here at this moment.
  const found = readdirSync(path).filter((name) => !HARMLESS.has(name));
  if (found.length === 0 || found.includes(basename(startLock)) || existsSync(join(cluster, "PG_VERSION")))
    return;
  const what = found.includes("PG_VERSION") ? "is a PostgreSQL data directory of its own" : "is not empty";
  throw new EmbeddedError(
    `${path} ${what} and was not made by jobsvc (it holds ${found.slice(0, 3).join(", ")}); nothing was changed. ` +
      "Choose an empty or new directory: jobsvc --data-dir=DIRECTORY",
  );
}

/** As root the server runs as somebody else, who has to come through here whatever the umask was. */
function letOthersPass({ path }: DataDir): void {
  const { uid, mode } = statSync(path);
  if (process.getuid?.() === 0 && uid === 0) chmodSync(path, (mode & 0o7777) | 0o111);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
