import { afterAll, setDefaultTimeout } from "bun:test";
import type { TransactionSql } from "postgres";
import { connect, type Database, type DatabaseAddress, openSingle, type Sql } from "../../src/db/connect.ts";
import { migrate } from "../../src/db/migrate.ts";
import { testServer } from "./server.ts";

export interface TestDatabase extends Database {
  address: DatabaseAddress;
  /** One plain connection, for what a test wants to arrange or see behind the service's back. */
  sql: Sql;
}

/** Bun's five seconds are few on a busy machine, and it has no setting for it that holds for every file. */
const TEST_TIMEOUT_MS = 30_000;

const run = crypto.randomUUID().slice(0, 8);
const TEMPLATE = `template_${run}`;
let template: Promise<void> | undefined;
let count = 0;

/** A database of its own for a test file: a copy of the migrated template, dropped when the file is done. */
export async function testDatabase(): Promise<TestDatabase> {
  setDefaultTimeout(TEST_TIMEOUT_MS);
  template ??= makeTemplate();
  await template;
  const name = await createDatabase(`template "${TEMPLATE}"`);
  const address = (await testServer()).address(name);
  const db = connect({ address, name: "jobsvc test", connections: 5, prepare: true });
  const sql = openSingle(address, "jobsvc test");
  afterAll(async () => {
    await Promise.all([db.close(), sql.end({ timeout: 5 })]);
    await dropDatabase(name);
  });
  return { ...db, address, sql };
}

/** A database without a schema, for tests of the migrations themselves. */
export async function emptyDatabase(): Promise<DatabaseAddress> {
  const name = await createDatabase("");
  afterAll(() => dropDatabase(name));
  return (await testServer()).address(name);
}

/** The same database, seen through one connection: to hold a statement's transaction open, or to look at it from inside. */
export function overConnection(db: Database, sql: TransactionSql): Database {
  return { ...db, run: (statement) => Promise.resolve(statement(sql as unknown as Sql)) };
}

async function makeTemplate() {
  await asAdministrator((sql) => sql.unsafe(`create database "${TEMPLATE}"`));
  await migrate((await testServer()).address(TEMPLATE));
}

async function createDatabase(options: string): Promise<string> {
  const name = `test_${run}_${++count}`;
  await asAdministrator((sql) => sql.unsafe(`create database "${name}" ${options}`));
  return name;
}

async function dropDatabase(name: string): Promise<void> {
  await asAdministrator((sql) => sql.unsafe(`drop database if exists "${name}" with (force)`));
}

async function asAdministrator(work: (sql: Sql) => PromiseLike<unknown>): Promise<void> {
  const sql = openSingle((await testServer()).address("postgres"), "jobsvc test administrator");
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
