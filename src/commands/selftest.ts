import { EXIT_USAGE } from "../config/exit_codes.ts";
import { CommandError } from "../config/parse.ts";
import type { Settings } from "../config/settings.ts";
import { connect, type Database } from "../db/connect.ts";
import { migrate } from "../db/migrate.ts";
import { insertJobs } from "../queue/insert.ts";
import type { Printer } from "./printer.ts";
import { openScratch } from "./selftest_scratch.ts";
import { judge, settled, type Verdict } from "./selftest_verdict.ts";
import { type ThrowAwayWorker, throwAwayWorkers } from "./selftest_workers.ts";

const JOBS = 300;
/** Long enough that a worker that is killed holds some. */
const JOB_MS = 200;
const WORKERS = 3;
const SLOTS = 10;
/** Work of a killed worker should not be waited for as long as in production. */
const TTL_MS = 3_000;
const PATIENCE_MS = 120_000;
const LOOK_EVERY_MS = 100;
const NOBODY = "00000000-0000-4000-8000-000000000000";

/** Something that must not be has been. */
class SelftestError extends Error {
  override name = "SelftestError";
}

export interface SelftestParts {
  settings: Settings;
  printer: Printer;
  /** The command line that starts this program. */
  program: readonly string[];
}

/**
 * `jobsvc selftest`: shows on this machine and this database server that nothing is lost and nothing ends twice. Works in a
 * scratch database or schema with workers of its own, kills one, drops the connections of all, stops one, and looks at
 * what is left. Nothing else on the server is touched. Throws when a promise was broken.
 */
export async function selftest({ settings, printer, program }: SelftestParts): Promise<void> {
  if (!settings.databaseUrl)
    throw new CommandError(["selftest: needs a database server, --database-url or DATABASE_URL"], EXIT_USAGE);
  const scratch = await openScratch(settings.databaseUrl);
  try {
    printer.data(`jobsvc selftest in ${scratch.where}`);
    report(await harm(scratch.url, program, printer), printer);
  } finally {
    await scratch.drop();
  }
}

/** Works through the jobs while the workers have a hard time. */
async function harm(url: string, program: readonly string[], { data }: Printer): Promise<Verdict> {
  await migrate(url);
  const db = connect({ address: url, name: "jobsvc selftest", connections: 2, prepare: false });
  const workers = throwAwayWorkers({ program, url, ttlMs: TTL_MS, slots: SLOTS });
  try {
    for (let worker = 0; worker < WORKERS; worker++) workers.start();
    const ids = await insert(db);
    data(`  ${ids.length} jobs acknowledged, ${WORKERS} workers`);
    await begun(db);
    const [victim, leaving] = workers.all as [ThrowAwayWorker, ThrowAwayWorker];
    await victim.end("SIGKILL");
    workers.start();
    data("  one worker killed");
    data(`  ${await dropConnections(db)} connections dropped`);
    const code = await leaving.end("SIGTERM");
    data(`  one worker stopped, exit code ${code}`);
    workers.start();
    await until(PATIENCE_MS, () => settled(db));
    return await judge(db, ids);
  } finally {
    await workers.kill();
    await db.close();
  }
}

async function insert(db: Database): Promise<string[]> {
  const jobs = Array.from({ length: JOBS }, () => ({
    id: Bun.randomUUIDv7(),
    kind: "client_agent",
    queue: "default",
    priority: 5,
    userId: NOBODY,
    resourceId: NOBODY,
    payload: JSON.stringify({ simulate: { duration_ms: JOB_MS } }),
    maxAttempts: 4,
    scheduledAt: null,
    timeoutMs: null,
    tags: [],
    metadata: {},
  }));
  await insertJobs(db, jobs);
  return jobs.map(({ id }) => id);
}

async function begun(db: Database) {
  await until(PATIENCE_MS, async () => {
    const rows = await db.run(
      (sql) => sql`select worker_id from jobsvc.leases group by worker_id having count(*) > 0`,
    );
    return rows.length === WORKERS;
  });
}

/** Those of the workers: a database that is not ours alone may have other guests. */
async function dropConnections(db: Database): Promise<number> {
  const dropped = await db.run(
    (sql) => sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user
      and application_name like 'jobsvc %' and application_name not like 'jobsvc selftest%'`,
  );
  return dropped.length;
}

/** Gives up after a while: what has not happened by then is told by the verdict. */
async function until(patienceMs: number, ask: () => Promise<boolean>) {
  const giveUpAt = performance.now() + patienceMs;
  while (!(await ask()) && performance.now() < giveUpAt) await Bun.sleep(LOOK_EVERY_MS);
}

function report({ completed, lost, again, endedTwice, problems }: Verdict, { data }: Printer) {
  data(`  ${completed} jobs completed, ${lost} lost, ${endedTwice} attempts ended twice`);
  data(`  ${again} attempts were lost or given back, and run again`);
  if (problems.length > 0) throw new SelftestError(`failed: ${problems.join("; ")}`);
  data("passed");
}
