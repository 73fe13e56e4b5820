import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { give, type User } from "./as_user.ts";
import type { Binaries } from "./binaries.ts";
import type { DataDir } from "./data_dir.ts";
import { EmbeddedError } from "./errors.ts";
import { runTool } from "./run_tool.ts";
import { sync } from "./unpack.ts";

/** The major version that wrote the cluster; undefined when there is none yet. */
export function majorOf({ cluster }: DataDir): number | undefined {
  const file = join(cluster, "PG_VERSION");
  return existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) : undefined;
}

/**
 * Makes the cluster unless there is one. It gets its name only when initdb is through, so whatever is named
 * `pgdata` and is not empty may hold somebody's jobs and is never written over.
 */
export async function initialise(dir: DataDir, binaries: Binaries, user: User | undefined): Promise<void> {
  if (majorOf(dir) !== undefined) return takeFromRoot(dir, user);
  refuseDebris(dir);
  removeUnfinished(dir);
  const unfinished = mkdtempSync(unfinishedName(dir));
  give(unfinished, user);
  const initdb = [join(binaries.bin, "initdb"), `--pgdata=${unfinished}`, ...INITDB, ...locale(binaries)];
  await runTool(initdb, user).catch(explainNameless);
  renameSync(unfinished, dir.cluster);
  await sync(dir.path); // else a power cut could take back the name, and with it the jobs of a day
}

/** A copy that root brought back belongs to root, and PostgreSQL does not start on what is not its user's. */
function takeFromRoot({ cluster }: DataDir, user: User | undefined): void {
  if (user && statSync(cluster).uid === 0) give(cluster, user);
}

/** Seen in containers that are started with a user id of one's choice. */
function explainNameless(error: Error): never {
  if (!error.message.includes("could not look up effective user ID")) throw error;
  throw new EmbeddedError(
    `${error.message}\nPostgreSQL wants the user it runs as to have a name: run as one that is listed in /etc/passwd, ` +
      "or use a database of your own: DATABASE_URL=postgres://USER:PASSWORD@HOST:5432/NAME",
    { cause: error },
  );
}

const unfinishedName = ({ cluster }: DataDir) => `${cluster}.unfinished-`;

/**
 * Throws away what processes left that died in initdb; no server ever ran on it. An initdb outlives the
 * process that started it, so each has a directory of its own, and may still be writing there.
 */
function removeUnfinished(dir: DataDir): void {
  for (const name of readdirSync(dir.path)) {
    const path = join(dir.path, name);
    if (path.startsWith(unfinishedName(dir))) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * Trust is right only because the socket's directory is closed to everybody else; a TCP connection is refused
 * whatever happens.
 */
const INITDB = [
  "--username=jobsvc",
  "--auth-local=trust",
  "--auth-host=reject",
  "--encoding=UTF8",
  "--data-checksums",
  "--no-instructions",
];

/** One order of texts on every machine, whatever locales are installed there. */
function locale({ major }: Binaries): string[] {
  return major >= 17 ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : ["--no-locale"];
}

function refuseDebris({ cluster }: DataDir): void {
  if (!existsSync(cluster) || readdirSync(cluster).length === 0) return;
  throw new EmbeddedError(
    `${cluster} is neither empty nor a PostgreSQL data directory (it has no PG_VERSION); nothing was changed. ` +
      "If it is a damaged database, restore it from a copy; if it is something else, move it away",
  );
}
