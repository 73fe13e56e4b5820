import type { Submission } from "./client.ts";
import type { Fleet } from "./fleet.ts";
import type { Postgres } from "./postgres.ts";
import type { Call } from "./receiver.ts";

/** What the four accounts say once everything is quiet. */
export interface Books {
  submissions: readonly Submission[];
  calls: readonly Call[];
  /** The database's account of every job that calls the receiver. */
  jobs: readonly JobRow[];
  keys: readonly { key: string; jobIds: string[] }[];
  /** Blocks that wait for a worker, and leases that run. What is due much later may wait. */
  left: { waiting: number; running: number };
  metrics: Metrics;
}

export interface JobRow {
  id: string;
  label: string;
  text: string;
  state: string;
  attempts: AttemptRow[];
}

export interface AttemptRow {
  attempt: number;
  workerId: string;
  outcome: string;
  startedMs: number;
  finishedMs: number;
  final: boolean;
  reason: string | null;
}

export interface Metrics {
  /** What the API tells of finished jobs, by state; undefined when no API lives. */
  told: Record<string, number> | undefined;
  /** The same, counted from the history. */
  counted: Record<string, number>;
  /** Endings that came too late, of the workers that still live. */
  lostEndings: number;
}

export interface BooksParts {
  submissions: readonly Submission[];
  calls: readonly Call[];
  postgres: Postgres;
  fleet: Fleet;
}

export async function readBooks({ submissions, calls, postgres, fleet }: BooksParts): Promise<Books> {
  const jobs = await postgres.ask(
    (sql) => sql<JobRow[]>`
    select id, payload->>'label' as label, payload->>'text' as text, state, attempts
    from jobsvc.jobs
    join jobsvc.job_states using (id)
    cross join lateral (
      select coalesce(json_agg(json_build_object(
        'attempt', attempt, 'workerId', worker_id, 'outcome', outcome, 'final', retry_at is null, 'reason', error->>'reason',
        'startedMs', extract(epoch from started_at) * 1000, 'finishedMs', extract(epoch from finished_at) * 1000
      ) order by attempt), '[]') as attempts
      from jobsvc.attempts
      where job_id = jobs.id
    ) history
    where jobs.kind = 'call'`,
  );
  const keys = await postgres.ask(
    (sql) => sql<{ key: string; jobIds: string[] }[]>`
    select key, to_json(job_ids) as "jobIds" from jobsvc.idempotency_keys`,
  );
  const left = await readLeft(postgres);
  return { submissions, calls, jobs, keys, left, metrics: await readMetrics(postgres, fleet) };
}

export async function readLeft(postgres: Postgres): Promise<Books["left"]> {
  const [left] = await postgres.ask(
    (sql) => sql<Books["left"][]>`
    select
      (select count(*) from jobsvc.ready where kind = 'call' and run_at < now() + interval '1 hour')::int as waiting,
      (select count(*) from jobsvc.leases)::int as running`,
  );
  return left!;
}

const FINISHED = ["completed", "failed", "cancelled"];

/** As `GET /api/stats` answers it. */
interface Stats {
  total: Record<string, number>;
}

async function readStats(url: string): Promise<Stats> {
  const answer = await fetch(`${url}/api/stats`);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the statistics were answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

async function readMetrics(postgres: Postgres, fleet: Fleet): Promise<Metrics> {
  const rows = await postgres.ask(
    (sql) => sql<{ outcome: string; jobs: number }[]>`
    select outcome, count(*)::int as jobs from jobsvc.attempts where retry_at is null group by outcome`,
  );
  const [api] = fleet.living("api");
  const stats = api && (await readStats(api.url));
  const texts = await Promise.all(
    fleet
      .living("worker")
      .map(async ({ url }) => fetch(`${url}/metrics`).then((response) => response.text())),
  );
  return {
    told: stats && Object.fromEntries(FINISHED.map((state) => [state, stats.total[state] ?? 0])),
    counted: Object.fromEntries(rows.map(({ outcome, jobs }) => [outcome, jobs])),
    lostEndings: texts.reduce((sum, text) => sum + sumOf("jobsvc_lost_endings_total", text), 0),
  };
}

/** The sum of all series of a metric, in the text format of Prometheus. */
function sumOf(name: string, text: string): number {
  const series = text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"));
  return [...series].reduce((sum, [, value]) => sum + Number(value), 0);
}
