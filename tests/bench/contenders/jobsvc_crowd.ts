import type { BenchDatabase } from "../postgres.ts";
import { doneIn } from "./jobsvc.ts";
import { type Client, jobBody } from "./jobsvc_client.ts";
import { startJobsvc } from "./jobsvc_process.ts";

export interface Crowd {
  queues: number;
  workers: number;
  jobs: number;
}

/** So many processes at once: each start takes a core for a moment. */
const STARTS_AT_ONCE = 4;
const IDLE_MS = 5_000;
const BATCH = 1_000;
const LOOK_EVERY_MS = 20;

/** Every worker has its share of the queues; each queue gets as many jobs as the others. */
export async function crowd(database: BenchDatabase, http: Client, { queues, workers, jobs }: Crowd) {
  const names = Array.from({ length: queues }, (_, number) => `queue-${number}`);
  const flags = Array.from({ length: workers }, (_, worker) => {
    const own = names.filter((_, number) => number % workers === worker).map((name) => `${name}:10`);
    return ["--role=worker", "--database-connections=2", `--queues=${own.join(",")}`];
  });
  const processes = [];
  for (let from = 0; from < workers; from += STARTS_AT_ONCE) {
    const starting = flags.slice(from, from + STARTS_AT_ONCE);
    processes.push(...(await Promise.all(starting.map((own) => startJobsvc(database.url, own)))));
  }

  const before = await statements(database);
  await Bun.sleep(IDLE_MS);
  const idlePerSecond = ((await statements(database)) - before) / (IDLE_MS / 1_000);

  const earlier = await doneIn(database);
  const started = performance.now();
  for (let from = 0; from < jobs; from += BATCH) {
    const count = Math.min(BATCH, jobs - from);
    const body = (at: number) => jobBody(from + at, { queue: names[(from + at) % queues] });
    await http.insertBatch(Array.from({ length: count }, (_, at) => body(at)));
  }
  while ((await doneIn(database)) - earlier < jobs) await Bun.sleep(LOOK_EVERY_MS);
  const seconds = (performance.now() - started) / 1_000;
  await Promise.all(processes.map((process) => process.stop()));
  return { jobs, seconds, idlePerSecond };
}

/** Every statement of jobsvc is a transaction. */
async function statements({ sql }: BenchDatabase): Promise<number> {
  await sql`select pg_stat_clear_snapshot()`;
  const [row] = await sql`
    select xact_commit + xact_rollback as count from pg_stat_database where datname = current_database()`;
  return Number(row!.count);
}
