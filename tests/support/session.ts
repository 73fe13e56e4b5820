import { type Database, openSingle, type Sql } from "../../src/db/connect.ts";
import type { TestDatabase } from "./database.ts";

/** One connection of its own to a test's database, on which `begin` and `commit` are said by hand and nothing is tried again. */
export interface Session extends Database, AsyncDisposable {
  sql: Sql;
}

export function session(db: TestDatabase): Session {
  const sql = openSingle(db.address, "jobsvc test session");
  const close = () => sql.end({ timeout: 5 });
  return {
    ...db,
    sql,
    run: async (statement) => await statement(sql),
    close,
    [Symbol.asyncDispose]: close,
  };
}
