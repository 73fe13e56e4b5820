import { expect } from "bun:test";
import type { Sql } from "../../src/db/connect.ts";

/** A job as a member of the list for `jobsvc.insert_jobs`: nothing but what is needed. */
export const LETTER = {
  kind: "letter",
  payload: { to: "a" },
  user_id: "123e4567-e89b-12d3-a456-426614174000",
  resource_id: "456e7890-e89b-12d3-a456-426614174001",
};

/** A call of `jobsvc.insert_job` for the same job, with changes: the arguments are SQL. */
export function insertJobCall(args: Record<string, string> = {}): string {
  const needed = {
    kind: "'letter'",
    payload: `'{"to": "a"}'`,
    user_id: `'${LETTER.user_id}'`,
    resource_id: `'${LETTER.resource_id}'`,
  };
  const given = Object.entries({ ...needed, ...args }).map(([name, value]) => `${name} => ${value}`);
  return `jobsvc.insert_job(${given.join(", ")})`;
}

export async function insertJobBySql(sql: Sql, args: Record<string, string> = {}): Promise<string> {
  const [row] = await sql.unsafe(`select ${insertJobCall(args)} as id`);
  return row!.id;
}

/** `jobs` as JSON text, or what makes one. */
export async function insertJobsBySql(sql: Sql, jobs: unknown): Promise<string[]> {
  const text = typeof jobs === "string" ? jobs : JSON.stringify(jobs);
  const rows = await sql`select id from jobsvc.insert_jobs(${text}::text) id`;
  return rows.map(({ id }) => id);
}

/** The jobs that are there, oldest first. */
export async function insertedJobs(sql: Sql) {
  return await sql`select *, payload::text as payload, to_json(tags) as tags from jobsvc.jobs order by id`;
}

export const refusal = (message: string) => expect.objectContaining({ code: "22023", message });

export const A_NAME =
  "must be 1 to 64 letters, digits, dots, colons, hyphens or underscores, with a letter or digit first";

export const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

export const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
