import type { Running } from "./banner.ts";
import { EXIT_CONFIGURATION, EXIT_INTERNAL, EXIT_UNAVAILABLE } from "./config/exit_codes.ts";
import type { Settings } from "./config/settings.ts";
import { connect, type DatabaseAddress } from "./db/connect.ts";
import { isUnavailable } from "./db/deadline.ts";
import { startEmbedded } from "./db/embedded/embedded.ts";
import { EmbeddedError } from "./db/embedded/errors.ts";
import { migrate, SchemaError, schemaState } from "./db/migrate.ts";
import { startAll, stopAll } from "./lifecycle/service.ts";
import type { Emit } from "./observability/events.ts";
import { processFor } from "./roles.ts";

export interface ServeParts {
  settings: Settings;
  emit: Emit;
  version: string;
  /** Resolves with the name of the signal that asks to stop. */
  stopSignal: Promise<string>;
  /** Called once everything runs, with what a person wants to know. */
  onRunning: (running: Running) => void;
}

/** Runs the service until it is asked to stop: database, schema, the services of the role. */
export async function serve({ settings, emit, version, stopSignal, onRunning }: ServeParts): Promise<void> {
  const database = await openDatabase(settings, emit);
  try {
    await bringSchemaUpToDate(database.address, settings, emit);
    const { services, api } = processFor({ settings, address: database.address, emit, version });
    await startAll(services);
    emit("process.started", { role: settings.role, version });
    onRunning({
      apiUrl: api?.url?.origin ?? null,
      dataDir: database.dataDir,
      keyed: settings.apiKeys.length > 0,
    });

    emit("process.stopping", { signal: await stopSignal });
    const stoppingMs = performance.now();
    await stopAll(services);
    emit("process.stopped", { ms: Math.round(performance.now() - stoppingMs) });
  } finally {
    await database.close();
  }
}

/** `jobsvc migrate`: brings the schema up to date, whatever the settings say of migrating at start. */
export async function migrateOnly(settings: Settings, emit: Emit): Promise<void> {
  const database = await openDatabase(settings, emit);
  try {
    await bringSchemaUpToDate(database.address, { ...settings, migrate: true }, emit);
  } finally {
    await database.close();
  }
}

interface OpenDatabase {
  address: DatabaseAddress;
  /** Where the embedded server keeps its data, or null when the database is not ours. */
  dataDir: string | null;
  close(): Promise<void>;
}

/** The database of the settings, or the embedded one. */
async function openDatabase(settings: Settings, emit: Emit): Promise<OpenDatabase> {
  if (settings.databaseUrl) return { address: settings.databaseUrl, dataDir: null, close: async () => {} };
  const embedded = await startEmbedded({ dataDir: settings.dataDir });
  emit("database.embedded", { data_dir: embedded.dataDir, ms: embedded.startedMs });
  return { address: embedded.address, dataDir: embedded.dataDir, close: embedded.stop };
}

async function bringSchemaUpToDate(address: DatabaseAddress, settings: Settings, emit: Emit): Promise<void> {
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

/** What the exit code says of a failed start. An error may come wrapped in what was being started. */
export function exitCodeOf(error: unknown): number {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof SchemaError) return EXIT_CONFIGURATION;
    if (cause instanceof EmbeddedError || isUnavailable(cause) || isRefused(cause)) return EXIT_UNAVAILABLE;
  }
  return EXIT_INTERNAL;
}

/** The port is taken, or the database knows neither us nor the database that we ask for. */
function isRefused(error: Error): boolean {
  const code = "code" in error ? String(error.code) : "";
  return code === "EADDRINUSE" || code === "EACCES" || /^(28...|3D000)$/.test(code);
}
