import type { Database } from "./db/connect.ts";
import { schemaState } from "./db/migrate.ts";
import { progress } from "./lifecycle/progress.ts";
import type { Service } from "./lifecycle/service.ts";

export interface Check {
  ok: boolean;
  detail?: string;
}

export interface Readiness {
  /** Looks at the schema beside what takes longer to start: later all connections have other work. */
  ahead: Service;
  /** Last to start and first to stop: the process is ready between the two. */
  service: Service;
  check(): Promise<{ ready: boolean; checks: Record<string, Check> }>;
}

/** A probe that waits longer tells its asker nothing that a failure would not. */
const PATIENCE_MS = 2_000;

/**
 * A loop that is so late is stuck. Everything that it waits for answers within seconds, but a first pruning of years goes
 * through many pages in one step.
 */
const STUCK_MS = 5 * 60_000;

/** Whether this process can do its work now. `running.worker` is there in the roles that have one. */
export function readiness(db: Database, running: { worker?: { readonly notified: boolean } }): Readiness {
  let serving = false;
  let schemaIsCurrent = false;

  async function database(): Promise<Check> {
    try {
      await db.run((sql) => sql`select 1`, PATIENCE_MS);
      return { ok: true };
    } catch {
      return { ok: false, detail: "no answer" };
    }
  }

  /**
   * Once current it stays so: what this program needs is never taken back by a later migration. So it is looked at when
   * the process starts, and not first when somebody asks, which may be after the next version has migrated.
   */
  async function schema(): Promise<Check> {
    try {
      schemaIsCurrent ||= (await schemaState(db)) === "current";
      return schemaIsCurrent ? { ok: true } : { ok: false, detail: "old: run jobsvc migrate" };
    } catch (error) {
      return { ok: false, detail: error instanceof Error ? error.name : "unknown" };
    }
  }

  /** Never makes a process unready: polling does without. */
  function notifications(): Record<string, Check> {
    if (!running.worker) return {};
    const detail = running.worker.notified ? "arriving" : "not arriving: polling only";
    return { notifications: { ok: true, detail } };
  }

  /** Loops that do what comes round, and when each last got something done. */
  function loops(): Check {
    const all = progress();
    const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`;
    return {
      ok: all.every(({ overdueMs }) => overdueMs < STUCK_MS),
      detail: all.map(({ name, agoMs }) => `${name} ${seconds(agoMs)} ago`).join(", "),
    };
  }

  return {
    ahead: {
      name: "schema",
      start: async () => void (await schema()),
      stop: async () => {},
    },
    service: {
      name: "readiness",
      start: async () => {
        await schema();
        serving = true;
      },
      stop: async () => {
        serving = false;
      },
    },
    async check() {
      const [answers, fits] = await Promise.all([database(), schema()]);
      const lifecycle: Check = serving ? { ok: true } : { ok: false, detail: "starting or stopping" };
      const checks = { lifecycle, database: answers, schema: fits, loops: loops(), ...notifications() };
      return { ready: Object.values(checks).every((check) => check.ok), checks };
    },
  };
}
