import { type Database, type DatabaseAddress, openSingle, type Statement } from "./connect.ts";
import { MIGRATIONS, type Migration } from "./migrations.ts";

/** The database's schema and this program do not fit, and no waiting will change that. */
export class SchemaError extends Error {
  override name = "SchemaError";
}

export type SchemaState = "current" | "behind";

/** Any number will do, as long as every jobsvc uses the same one. */
const MIGRATION_LOCK = 0x6a6f6273;

interface Applied {
  number: number;
  name: string;
  hash: string;
}

/**
 * Applies what is missing, all or nothing, and answers the names of what it applied. Safe when several
 * processes start at once: the second waits for the first and then finds nothing to do.
 * Throws a SchemaError when the database is newer than this program or its history was edited.
 */
export async function migrate(
  address: DatabaseAddress,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<string[]> {
  const sql = openSingle(address, "jobsvc migrate");
  try {
    // Nearly every start finds nothing to do: it need not wait for a lock, nor be allowed to make a schema.
    if ((await stateOf((statement) => statement(sql), migrations)) === "current") return [];
    return await sql.begin(async (sql) => {
      // A transaction lock, not a session lock: it works through a pooler, and it cannot be left behind.
      await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
      await sql`create schema if not exists jobsvc`;
      await sql`create table if not exists jobsvc.migrations (
        number int primary key, name text not null, hash text not null, applied_at timestamptz not null default now()
      )`;
      const missing = missingFrom(
        await sql<Applied[]>`select number, name, hash from jobsvc.migrations`,
        migrations,
      );
      for (const migration of missing) {
        await sql.unsafe(migration.sql);
        await sql`insert into jobsvc.migrations (number, name, hash)
          values (${migration.number}, ${migration.name}, ${hashOf(migration)})`;
      }
      return missing.map((migration) => migration.name);
    });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Whether the schema is the one this program was built for. Throws a SchemaError when it never will be. */
export async function schemaState(
  db: Database,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<SchemaState> {
  return await stateOf(db.run, migrations);
}

async function stateOf(
  run: <Rows>(statement: Statement<Rows>) => PromiseLike<Rows>,
  migrations: readonly Migration[],
): Promise<SchemaState> {
  const [known] = await run((sql) => sql`select to_regclass('jobsvc.migrations') is not null as exists`);
  if (!known?.exists) return "behind";
  const applied = await run((sql) => sql<Applied[]>`select number, name, hash from jobsvc.migrations`);
  return missingFrom(applied, migrations).length === 0 ? "current" : "behind";
}

function missingFrom(applied: readonly Applied[], migrations: readonly Migration[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.number, migration]));
  for (const { number, name, hash } of applied) {
    const migration = known.get(number);
    if (!migration) {
      throw new SchemaError(
        `the database has migration ${number} (${name}), which this version of jobsvc does not know: run the newer version`,
      );
    }
    if (hashOf(migration) !== hash) {
      throw new SchemaError(
        `migration ${number} (${name}) is not the one that this database ran: its text was changed after it was applied`,
      );
    }
  }
  const done = new Set(applied.map(({ number }) => number));
  return migrations.filter(({ number }) => !done.has(number));
}

function hashOf(migration: Migration): string {
  return new Bun.CryptoHasher("sha256").update(migration.sql).digest("hex");
}
