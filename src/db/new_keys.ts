import type { Database, Sql } from "./connect.ts";
import { isTaken } from "./deadline.ts";

/** What stands where a statement says what to do about keys that are there already. */
export type OnConflict = ReturnType<Sql>;

/**
 * Runs a statement that inserts keys which are new as good as always, and leaves alone those that are not.
 *
 * With `on conflict do nothing` Postgres looks each key up twice and writes 48 bytes more of WAL for each row. So it is
 * said only when it is needed: a statement that meets a taken key changes nothing, and is sent once more with it.
 */
export async function insertNewKeys<Rows>(
  db: Database,
  statement: (sql: Sql, onConflict: OnConflict) => PromiseLike<Rows>,
): Promise<Rows> {
  try {
    return await db.run((sql) => statement(sql, sql``));
  } catch (error) {
    if (!isTaken(error)) throw error;
    return await db.run((sql) => statement(sql, sql`on conflict do nothing`));
  }
}
