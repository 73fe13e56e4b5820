import { EXIT_CONFIGURATION } from "../config/exit_codes.ts";
import { CommandError } from "../config/parse.ts";
import { openSingle, type Sql } from "../db/connect.ts";

/** A place for the selftest to work in, where it can harm nobody. */
export interface Scratch {
  url: string;
  /** For people. */
  where: string;
  drop(): Promise<void>;
}

/** What Postgres says to a role that lacks the right (insufficient_privilege). */
const FORBIDDEN = "42501";

/**
 * Makes a scratch database on the server of this URL. A role that may not do that gets the schema `jobsvc` in the database
 * that it named, if there is none yet: one that is there already holds somebody's jobs. Throws a CommandError when
 * neither can be had, and has changed nothing then.
 */
export async function openScratch(databaseUrl: string): Promise<Scratch> {
  const server = openSingle(databaseUrl, "jobsvc selftest");
  try {
    const scratch =
      (await scratchDatabase(server, databaseUrl)) ?? (await scratchSchema(server, databaseUrl));
    return {
      ...scratch,
      async drop() {
        await scratch.drop();
        await server.end({ timeout: 5 });
      },
    };
  } catch (error) {
    await server.end({ timeout: 5 });
    throw error;
  }
}

/** Undefined when the role may not. */
async function scratchDatabase(server: Sql, databaseUrl: string): Promise<Scratch | undefined> {
  const name = `jobsvc_selftest_${crypto.randomUUID().slice(0, 8)}`;
  if (!(await allowed(server, `create database "${name}"`))) return undefined;
  // A socket is named in the query, which the parser of URLs does not expect.
  const url = new URL(databaseUrl.replace("@/", "@localhost/"));
  url.pathname = `/${name}`;
  return {
    url: url.href,
    where: `the scratch database ${name}`,
    drop: async () => void (await server.unsafe(`drop database if exists "${name}" with (force)`)),
  };
}

async function scratchSchema(server: Sql, databaseUrl: string): Promise<Scratch> {
  const [given] = await server<{ database: string; taken: boolean }[]>`
    select current_database() as database, exists (select from pg_namespace where nspname = 'jobsvc') as taken`;
  const { database, taken } = given!;
  if (taken) throw refusal(`and the schema jobsvc of ${database} is there already and is left alone`);
  // Without "if not exists": what is dropped in the end must have been made here.
  if (!(await allowed(server, "create schema jobsvc"))) throw refusal(`nor a schema in ${database}`);
  return {
    url: databaseUrl,
    where: `a scratch schema of the database ${database}`,
    drop: async () => void (await server.unsafe("drop schema jobsvc cascade")),
  };
}

async function allowed(server: Sql, statement: string): Promise<boolean> {
  try {
    await server.unsafe(statement);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === FORBIDDEN) return false;
    throw error;
  }
}

function refusal(why: string): CommandError {
  return new CommandError(
    [
      `selftest: the role may not create a database, ${why}`,
      "allow it (alter role … createdb), or name an empty database that the role owns (create database … owner …)",
    ],
    EXIT_CONFIGURATION,
  );
}
