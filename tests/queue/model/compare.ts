import { expect } from "bun:test";
import type { Database } from "../../../src/db/connect.ts";
import type { Model, ModelJob } from "./model.ts";

interface JobFacts {
  id: string;
  state: string;
  /** Where the job is to be found: in a block, or under a lease whose attempt has not ended. Final jobs are nowhere. */
  places: string[];
  /** Number and outcome of each attempt. */
  attempts: string[];
}

/**
 * Fails unless the tables say of every job what the model says: that it is in one place and no other, that its
 * attempts are numbered without a gap and ended once each, and that the view derives its state from that.
 */
export async function compare(db: Database, model: Model): Promise<void> {
  const [jobs, leases, tallies, strays] = await Promise.all([
    jobFacts(db),
    leaseFacts(db),
    tallyFacts(db),
    strayFacts(db),
  ]);
  expect(strays).toEqual([]);
  expect(jobs).toEqual(model.jobs.map((job) => expectedFacts(model, job)).toSorted(byId));
  expect(leases).toEqual(
    [...model.leases.values()]
      .map(({ id, owner }) => ({ id, workerId: owner?.identity.id ?? null }))
      .toSorted(byId),
  );
  const finals = Object.groupBy(
    model.jobs.filter((job) => job.final),
    (job) => model.state(job),
  );
  expect(tallies).toEqual(
    Object.fromEntries(Object.entries(finals).map(([state, jobs]) => [state, jobs.length])),
  );
}

function expectedFacts(model: Model, job: ModelJob): JobFacts {
  const standing = `${job.history.length + 1} failures ${job.failures} losses ${job.losses}`;
  return {
    id: job.id,
    state: model.state(job),
    places: job.final ? [] : [`${job.lease ? "lease" : "ready"} ${standing}`],
    attempts: job.history.map((outcome, n) => `${n + 1} ${outcome}`),
  };
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);

async function jobFacts(db: Database): Promise<JobFacts[]> {
  const rows = await db.run(
    (sql) => sql<JobFacts[]>`
    with place as (
      select unnest(job_ids) as job_id, 'ready' as name, attempt, failures, losses from jobsvc.ready
      union all
      select job.id, 'lease', attempt, failures, losses
      from jobsvc.leases, unnest(job_ids) as job (id)
      where not exists (
        select from jobsvc.attempts where attempts.job_id = job.id and attempts.attempt = leases.attempt
      )
    )
    select jobs.id, standing.state,
      (
        select coalesce(json_agg(format('%s %s failures %s losses %s', name, attempt, failures, losses)), '[]')
        from place where place.job_id = jobs.id
      ) as places,
      (
        select coalesce(json_agg(format('%s %s', attempt, outcome) order by attempt, outcome), '[]')
        from jobsvc.attempts where attempts.job_id = jobs.id
      ) as attempts
    from jobsvc.jobs
    join jobsvc.job_states standing using (id)
    order by jobs.id`,
  );
  return rows.map((row) => ({ ...row }));
}

/** What is left of jobs that are not there any more. */
async function strayFacts(db: Database): Promise<string[]> {
  const rows = await db.run(
    (sql) => sql<{ id: string }[]>`
    select id
    from (select job_id from jobsvc.attempts union all select unnest(job_ids) from jobsvc.ready) trace (id)
    where not exists (select from jobsvc.jobs where jobs.id = trace.id)`,
  );
  return rows.map(({ id }) => id);
}

async function leaseFacts(db: Database) {
  const rows = await db.run((sql) => sql`select id, worker_id as "workerId" from jobsvc.leases order by id`);
  return rows.map((row) => ({ ...row }));
}

/** The sums that endings leave; they must come to the number of final jobs. */
async function tallyFacts(db: Database): Promise<Record<string, number>> {
  const rows = await db.run(
    (sql) => sql<{ outcome: string; jobs: number }[]>`
      select outcome, sum(jobs)::int as jobs from jobsvc.tallies group by outcome having sum(jobs) <> 0`,
  );
  return Object.fromEntries(rows.map(({ outcome, jobs }) => [outcome, jobs]));
}
