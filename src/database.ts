import type { Settings } from "./config/settings.ts";
import { connect, type Database, type DatabaseAddress } from "./db/connect.ts";
import { startEmbedded } from "./db/embedded/embedded.ts";
import { migrate, SchemaError, schemaState } from "./db/migrate.ts";
import type { Emit } from "./observability/events.ts";

export interface OpenDatabase {
  address: DatabaseAddress;
  /** Where the embedded server keeps its data, or null when the database is not ours. */
  dataDir: string | null;
  close(): Promise<void>;
}

/** The database of the settings, or the embedded one. */
export async function openDatabase(settings: Settings, emit: Emit): Promise<OpenDatabase> {
  if (settings.databaseUrl) return { address: settings.databaseUrl, dataDir: null, close: async () => {} };
  const embedded = await startEmbedded({ dataDir: settings.dataDir });
  emit("database.embedded", { data_dir: embedded.dataDir, ms: embedded.startedMs });
  return { address: embedded.address, dataDir: embedded.dataDir, close: embedded.stop };
}

/** Applies what is missing, or says that it is missing when the settings forbid to. */
export async function bringSchemaUpToDate(
  address: DatabaseAddress,
  settings: Settings,
  emit: Emit,
): Promise<void> {
  if (settings.migrate) {
    const applied = await migrate(address);
    if (applied.length > 0) emit("database.migrated", { applied: applied.join(", ") });
    return;
  }
  const db = connect({ address, name: "jobsvc start", connections: 1, prepare: false });
  try {
    if ((await schemaState(db)) === "behind") {
      throw new SchemaError(
        "the schema of the database is old: run jobsvc migrate, or start without --no-migrate",
      );
    }
  } finally {
    await db.close();
  }
}

/** For a command: its work on the database of the settings, be it the embedded one, and whether or not a server runs on it. */
export async function onDatabase(
  settings: Settings,
  name: string,
  work: (db: Database, dataDir: string | null) => Promise<void>,
): Promise<void> {
  const quiet = () => {};
  const database = await openDatabase(settings, quiet);
  try {
    await bringSchemaUpToDate(database.address, settings, quiet);
    const db = connect({ address: database.address, name, connections: 1, prepare: false });
    await work(db, database.dataDir).finally(() => db.close());
  } finally {
    await database.close();
  }
}
