import { callbackTokens } from "./access/callback_tokens.ts";
import { secrets } from "./agents/secrets.ts";
import type { Running } from "./banner.ts";
import { EXIT_CONFIGURATION, EXIT_INTERNAL, EXIT_UNAVAILABLE } from "./config/exit_codes.ts";
import { CommandError } from "./config/parse.ts";
import type { Settings } from "./config/settings.ts";
import { bringSchemaUpToDate, openDatabase } from "./database.ts";
import { isUnavailable } from "./db/deadline.ts";
import { EmbeddedError } from "./db/embedded/errors.ts";
import { SchemaError } from "./db/migrate.ts";
import { checkExposure } from "./exposure.ts";
import { startAll, stopAll } from "./lifecycle/service.ts";
import type { Emit } from "./observability/events.ts";
import { ownHandlers } from "./own_handlers.ts";
import { processFor } from "./roles.ts";
import { secretsKeys } from "./secrets_keys.ts";

export interface ServeParts {
  settings: Settings;
  emit: Emit;
  version: string;
  /** Resolves with the name of the signal that asks to stop. */
  stopSignal: Promise<string>;
  /** Called once everything runs, with what a person wants to know. */
  onRunning: (running: Running) => void;
}

/** Runs the service until it is asked to stop: handlers, database, schema, the services of the role. */
export async function serve({ settings, emit, version, stopSignal, onRunning }: ServeParts): Promise<void> {
  const handlers = await ownHandlers(settings.handlers);
  for (const { file, definition } of handlers) emit("handler.loaded", { kind: definition.kind, file });
  const database = await openDatabase(settings, emit);
  try {
    await bringSchemaUpToDate(database.address, settings, emit);
    const keyed = await checkExposure(database.address, settings);
    const keys = secretsKeys(settings, database.dataDir);
    const { services, api } = processFor({
      settings,
      address: database.address,
      secrets: secrets(keys),
      tokens: callbackTokens(keys),
      emit,
      version,
      handlers,
    });
    await startAll(services);
    emit("process.started", { role: settings.role, version });
    onRunning({ apiUrl: api?.url?.origin ?? null, dataDir: database.dataDir, keyed });

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

/**
 * What the exit code says of a failed start or stop. An error may come wrapped in what was being started, or
 * together with others of its kind.
 */
export function exitCodeOf(error: unknown): number {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof AggregateError) {
      const [code, ...others] = new Set(cause.errors.map(exitCodeOf));
      return code === undefined || others.length > 0 ? EXIT_INTERNAL : code;
    }
    if (cause instanceof CommandError) return cause.exitCode;
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
