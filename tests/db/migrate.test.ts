import { describe, expect, test } from "bun:test";
import { connect, type DatabaseAddress, openSingle, type Sql } from "../../src/db/connect.ts";
import { migrate, SchemaError, schemaState } from "../../src/db/migrate.ts";
import { MIGRATIONS, type Migration } from "../../src/db/migrations.ts";
import { emptyDatabase } from "../support/database.ts";
import { end, insertNew, registered, take } from "../support/factory.ts";
import { until } from "../support/until.ts";

const ALL = MIGRATIONS.map(({ name }) => name);

/** The migrations with one of them changed or added. */
const withMigration = (migration: Migration) => [
  ...MIGRATIONS.filter(({ number }) => number !== migration.number),
  migration,
];

async function on<T>(address: DatabaseAddress, look: (sql: Sql) => PromiseLike<T>): Promise<T> {
  const sql = openSingle(address, "jobsvc test");
  try {
    return await look(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function state(address: DatabaseAddress, migrations = MIGRATIONS) {
  const db = connect({ address, name: "jobsvc test", connections: 1, prepare: true });
  return await schemaState(db, migrations).finally(() => db.close());
}

/** Everything that the migrations can have made, as Postgres describes it. */
const shape = (address: DatabaseAddress) =>
  on(
    address,
    (sql) => sql`
    select 'column' as what, table_name || '.' || column_name as name,
      concat_ws(' ', data_type, is_nullable, column_default, generation_expression, is_identity) as definition
    from information_schema.columns where table_schema = 'jobsvc'
    union all select 'index', indexname, indexdef from pg_indexes where schemaname = 'jobsvc'
    union all select 'view', viewname, definition from pg_views where schemaname = 'jobsvc'
    union all select 'check', conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'jobsvc'::regnamespace
    union all select 'storage', relname, reloptions::text from pg_class where relnamespace = 'jobsvc'::regnamespace
    union all select 'function', proname, prosrc from pg_proc where pronamespace = 'jobsvc'::regnamespace
    order by 1, 2, 3`,
  );

const isMissing = async (address: DatabaseAddress) =>
  (await on(address, (sql) => sql`select from pg_namespace where nspname = 'jobsvc'`)).length === 0;

describe("migrate", () => {
  test("brings an empty database to the current schema, and answers what it applied", async () => {
    const address = await emptyDatabase();
    expect(await state(address)).toBe("behind");
    expect(await migrate(address)).toEqual(ALL);
    expect(await state(address)).toBe("current");
  });

  test("finds nothing to do the second time", async () => {
    const address = await emptyDatabase();
    await migrate(address);
    const before = await shape(address);
    expect(await migrate(address)).toEqual([]);
    expect(await shape(address)).toEqual(before);
  });

  test("applies everything once when five processes start at the same time", async () => {
    const address = await emptyDatabase();
    const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(address)));
    expect(applied.flat()).toEqual(ALL);
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
    expect(await state(address)).toBe("current");
  });

  test("applies the rest wherever a database stands, and ends with the same schema", async () => {
    const whole = await emptyDatabase();
    await migrate(whole);
    for (let known = 0; known < MIGRATIONS.length; known++) {
      const address = await emptyDatabase();
      expect(await migrate(address, MIGRATIONS.slice(0, known))).toEqual(ALL.slice(0, known));
      expect(await state(address)).toBe("behind");
      expect(await migrate(address)).toEqual(ALL.slice(known));
      expect(await shape(address)).toEqual(await shape(whole));
    }
  });

  test("keeps the jobs of a database that it brings up to date", async () => {
    const address = await emptyDatabase();
    await migrate(address, MIGRATIONS.slice(0, 2));
    await on(
      address,
      (sql) => sql`
      insert into jobsvc.jobs (id, kind, queue, priority, user_id, resource_id, payload, max_attempts)
      select gen_random_uuid(), 'ai_agent', 'default', 5, gen_random_uuid(), gen_random_uuid(), '{}', 4
      from generate_series(1, 10)`,
    );
    await migrate(address);
    expect(await on(address, (sql) => sql`select from jobsvc.job_states`)).toHaveLength(10);
  });

  test("applies all of what is missing or nothing", async () => {
    const broken = { number: 99, name: "broken", sql: "create table jobsvc.half (); select 1 / 0;" };
    const empty = await emptyDatabase();
    await expect(migrate(empty, withMigration(broken))).rejects.toThrow("division by zero");
    expect(await isMissing(empty)).toBe(true);
    expect(await migrate(empty)).toEqual(ALL);
    const before = await shape(empty);
    await expect(migrate(empty, withMigration(broken))).rejects.toThrow("division by zero");
    expect(await shape(empty)).toEqual(before);
    expect(await state(empty)).toBe("current");
  });

  test("refuses a database whose history was edited", async () => {
    const address = await emptyDatabase();
    await migrate(address);
    const [first] = MIGRATIONS;
    const edited = withMigration({ ...first!, sql: `${first!.sql} -- edited` });
    await expect(migrate(address, edited)).rejects.toThrow(SchemaError);
    await expect(migrate(address, edited)).rejects.toThrow("migration 0 (tables)");
    await expect(state(address, edited)).rejects.toThrow(SchemaError);
  });

  test("refuses a database that is newer than the program, and changes nothing", async () => {
    const address = await emptyDatabase();
    const newer = withMigration({ number: 99, name: "from_the_future", sql: "select 1" });
    await migrate(
      address,
      newer.filter(({ number }) => number !== MIGRATIONS.at(-1)!.number),
    );
    const before = await shape(address);
    await expect(migrate(address)).rejects.toThrow(SchemaError);
    await expect(state(address)).rejects.toThrow("migration 99 (from_the_future)");
    expect(await shape(address)).toEqual(before);
  });

  test("leaves no connection behind, whether it succeeds or not", async () => {
    const address = await emptyDatabase();
    await migrate(address);
    await migrate(address, []).catch(() => undefined);
    await until("its connections to be gone", async () => {
      const left = await on(
        address,
        (sql) => sql`
        select from pg_stat_activity where application_name = 'jobsvc migrate' and datname = current_database()`,
      );
      return left.length === 0;
    });
  });

  test("finds nothing to do for a role that may make nothing", async () => {
    const address = await emptyDatabase();
    const role = `reader_${crypto.randomUUID().slice(0, 8)}`;
    const [database] = await on(address, (sql) => sql`select quote_ident(current_database()) as name`);
    await migrate(address);
    await on(address, (sql) =>
      sql.unsafe(`
      create role ${role} nosuperuser;
      grant usage on schema jobsvc to ${role};
      grant select on jobsvc.migrations to ${role};
      alter database ${database!.name} set role = '${role}';`),
    );
    try {
      expect(await migrate(address)).toEqual([]);
    } finally {
      await on(address, (sql) =>
        sql.unsafe(`
        set role none;
        alter database ${database!.name} reset role;
        drop owned by ${role} cascade;
        drop role ${role};`),
      );
    }
  });

  test("works for a role that may make schemas and nothing else, with the public schema closed", async () => {
    const address = await emptyDatabase();
    const role = `limited_${crypto.randomUUID().slice(0, 8)}`;
    const [database] = await on(address, (sql) => sql`select quote_ident(current_database()) as name`);
    await on(address, (sql) =>
      sql.unsafe(`
      create role ${role} nosuperuser;
      revoke all on schema public from public;
      grant create on database ${database!.name} to ${role};
      alter database ${database!.name} set role = '${role}';`),
    );
    try {
      expect(await migrate(address)).toEqual(ALL);
      const db = connect({ address, name: "jobsvc test", connections: 2, prepare: true });
      expect(await db.run((sql) => sql`select current_user as name`)).toMatchObject([{ name: role }]);
      const [job] = await insertNew(db, 1);
      const worker = await registered(db);
      expect(await end(db, worker, await take(db, worker, 1))).toEqual([job!.id]);
      await db.close();
    } finally {
      await on(address, (sql) =>
        sql.unsafe(`
        set role none;
        alter database ${database!.name} reset role;
        drop owned by ${role} cascade;
        drop role ${role};`),
      );
    }
  });
});
