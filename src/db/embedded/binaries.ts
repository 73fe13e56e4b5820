import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { assertMayEnter, type User } from "./as_user.ts";
import type { DataDir } from "./data_dir.ts";
import { EmbeddedError } from "./errors.ts";
import { runTool } from "./run_tool.ts";
import { type Brought, brought, unpackOnce } from "./unpack.ts";

/** A PostgreSQL that runs here. */
export interface Binaries {
  /** The directory of `initdb` and `postgres`. */
  bin: string;
  major: number;
}

/** The oldest that jobsvc supports. */
const OLDEST_MAJOR = 14;

/**
 * The PostgreSQL that we bring; where it does not run (another C library) or cannot read the data (another
 * major version, `wanted`), one that is installed on this machine.
 */
export async function findBinaries(
  dir: DataDir,
  user: User | undefined,
  wanted: number | undefined,
): Promise<Binaries> {
  assertMayEnter(dir.path, user);
  const ours = brought();
  const whyNotOurs = ours ? await unusable(ours, dir, user, wanted) : "none is packed into this jobsvc";
  if (typeof whyNotOurs !== "string") return whyNotOurs;

  for (const bin of installedHere()) {
    const major = await majorVersion(bin, user).catch(() => 0); // not one that we could use
    if (wanted ? major === wanted : major >= OLDEST_MAJOR) return { bin, major };
  }
  throw wanted && ours ? otherVersion(dir, wanted, ours) : nothingRuns(whyNotOurs);
}

/** Answers the unpacked binaries, or why they do not serve. */
async function unusable(
  ours: Brought,
  dir: DataDir,
  user: User | undefined,
  wanted: number | undefined,
): Promise<Binaries | string> {
  const major = Number.parseInt(ours.version, 10);
  if (wanted && wanted !== major) return `the data is of version ${wanted}`;
  try {
    const tree = await unpackOnce(ours, dir, user, (fresh) => majorVersion(join(fresh, "bin"), user));
    return { bin: join(tree, "bin"), major };
  } catch (error) {
    if (error instanceof EmbeddedError) return error.message;
    throw error;
  }
}

/** Asks the server for its version, which also shows that it and its libraries fit this machine. */
async function majorVersion(bin: string, user: User | undefined): Promise<number> {
  const answer = await runTool([join(bin, "postgres"), "--version"], user);
  return Number(answer.match(/ (\d+)/)?.[1]);
}

/** Where distributions put it: Debian, Alpine, Red Hat, Homebrew. `{}` stands for a version. */
const PLACES = [
  { above: "/usr/lib/postgresql", bin: "{}/bin" },
  { above: "/usr/libexec", bin: "{}" },
  { above: "/usr", bin: "{}/bin" },
  { above: "/opt/homebrew/opt", bin: "{}/bin" },
  { above: "/usr/local/opt", bin: "{}/bin" },
];
const VERSIONED = /^(\d+|postgresql\d+|pgsql-\d+|postgresql@\d+)$/;

/** The newest first. */
function installedHere(): string[] {
  const placed = PLACES.flatMap(({ above, bin }) =>
    namesIn(above)
      .filter((name) => VERSIONED.test(name))
      .toSorted((a, b) => numberIn(b) - numberIn(a))
      .map((name) => join(above, bin.replace("{}", name))),
  );
  const onPath = Bun.which("initdb");
  return [...placed, ...(onPath ? [dirname(onPath)] : [])].filter((bin) => existsSync(join(bin, "initdb")));
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function numberIn(name: string): number {
  return Number(name.match(/\d+/)?.[0]);
}

function otherVersion(dir: DataDir, wanted: number, ours: Brought): EmbeddedError {
  return new EmbeddedError(`the data in ${dir.cluster} was written by PostgreSQL ${wanted}; this jobsvc brings PostgreSQL \
${ours.version}, which cannot read it, and no PostgreSQL ${wanted} was found on this machine. Nothing was changed. Ways out:
  install PostgreSQL ${wanted}, and jobsvc will use it:    apt-get install postgresql-${wanted}
  run the jobsvc that wrote the data, and copy it with pg_dump and psql into a new one
  leave the data where it is and begin anew:       jobsvc --data-dir=DIRECTORY`);
}

function nothingRuns(why: string): EmbeddedError {
  return new EmbeddedError(`there is no PostgreSQL to start on ${process.platform}-${process.arch}: ${why}
None of version ${OLDEST_MAJOR} or later was found on this machine either. Ways out:
  a database that you have:    DATABASE_URL=postgres://USER:PASSWORD@HOST:5432/NAME jobsvc
  one in a container:          docker run -d -p 127.0.0.1:5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust -v jobsvc-db:/var/lib/postgresql postgres:18
                               DATABASE_URL=postgres://postgres@127.0.0.1:5432/postgres jobsvc
  your system's own package:   apt-get install postgresql   (or: apk add postgresql, dnf install postgresql-server, brew install postgresql)`);
}
