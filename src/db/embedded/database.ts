import postgres from "postgres";
import { isTransient } from "../deadline.ts";
import { PORT } from "./socket_dir.ts";

/** The port stands in the address too, because the driver would otherwise ask the environment for PGPORT. */
export function addressAt(socketDir: string, database: string) {
  return { host: socketDir, port: PORT, database, username: "jobsvc" };
}

/**
 * True when the server takes connections and the database `jobsvc` is there; it is made when it is missing.
 * False while nobody answers or the server is on its way up or down.
 */
export async function answers(socketDir: string): Promise<boolean> {
  try {
    await ensureDatabase(socketDir);
    return true;
  } catch (error) {
    if (isTransient(error)) return false;
    throw error;
  }
}

async function ensureDatabase(socketDir: string): Promise<void> {
  const sql = postgres({
    ...addressAt(socketDir, "postgres"),
    max: 1,
    fetch_types: false,
    connect_timeout: 5,
    onnotice: () => undefined,
    connection: { application_name: "jobsvc start" },
  });
  try {
    const found = await sql`select from pg_database where datname = 'jobsvc'`;
    if (found.length === 0) await sql`create database jobsvc`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
