import type { Sql } from "../../src/db/connect.ts";

/** A busy customer of the history below. */
export const BIG_USER = "00000000-0000-4000-8000-000000000001";
/** One of ten thousand others. */
export const SMALL_USER = "00000000-0000-4000-8000-000000002007";

/**
 * A week of a busy service, written straight into the tables: mostly completed jobs, failures and cancelled ones
 * scattered among them, and what waits and runs mostly among the newest. Everything that a filter can ask for is there
 * in a common and in a rare form.
 */
export async function writeHistory(sql: Sql, jobs: number): Promise<void> {
  await sql`
    create temp table history as
    select
      (lpad(to_hex((extract(epoch from born) * 1000)::bigint), 12, '0') || '7' || left(noise, 3) || '8'
        || substr(noise, 4, 15))::uuid as id,
      born, n,
      case when n % 10000 = 7 then 'report' when dice < 60 then 'ai_agent' else 'client_agent' end as kind,
      case when n % 10000 = 9 then 'nightly' when dice % 10 < 8 then 'default' else 'mail' end as queue,
      case when n % 10 = 3 then ${BIG_USER} else '00000000-0000-4000-8000-' || lpad((2000 + n % 10000)::text, 12, '0')
        end::uuid as user_id,
      case when n % 20000 = 11 then '{incident-42}' when n % 100 = 12 then '{vip,web}' when dice < 30 then '{web}'
        else '{}' end::text[] as tags,
      case
        when n > ${jobs * 0.98}::int then 'available'
        when n > ${jobs * 0.7}::int and dice between 90 and 95 then 'scheduled'
        when n > ${jobs * 0.5}::int and dice = 96 then 'retryable'
        when n % 50000 = 13 then 'available'
        when n > ${jobs * 0.9}::int and n % 50 = 14 then 'running'
        when dice in (97, 98) then 'failed'
        when dice = 99 then 'cancelled'
        else 'completed'
      end as state
    from (
      select n, md5(n::text) as noise, (hashint4(n) & 65535) % 100 as dice,
        date_trunc('milliseconds', now() - (${jobs}::int - n) * interval '7 days' / ${jobs}::int) as born
      from generate_series(1, ${jobs}::int) n
    ) dated`;
  await sql`
    insert into jobsvc.jobs (
      id, kind, queue, priority, user_id, resource_id, payload, max_attempts, scheduled_at, tags, created_at
    )
    select id, kind, queue, 5, user_id, user_id, json_build_object('task', repeat('x', 200)), 4,
      case when state = 'scheduled' then now() + interval '1 day' end, tags, born
    from history
    order by n`;
  await sql`
    insert into jobsvc.attempts (job_id, attempt, outcome, started_at, finished_at, retry_at)
    select id, 1, case when state in ('completed', 'cancelled') then state else 'failed' end, born,
      born + interval '1 second', case when state = 'retryable' then now() + interval '1 hour' end
    from history
    where state in ('completed', 'failed', 'cancelled', 'retryable')
    order by n`;
  await sql`
    insert into jobsvc.ready (queue, kind, priority, run_at, attempt, job_ids)
    select queue, kind, 5, coalesce(retry_at, greatest(scheduled_at, created_at)), coalesce(attempt, 0) + 1, array[id]
    from history
    join jobsvc.jobs using (id, kind, queue)
    left join jobsvc.attempts on attempts.job_id = id
    where state in ('available', 'scheduled', 'retryable')
    order by n`;
  await sql`
    insert into jobsvc.leases (queue, kind, priority, attempt, job_ids)
    select queue, kind, 5, 1, array_agg(id) from history where state = 'running' group by queue, kind, n / 500`;
  await sql`drop table history`;
  await sql.unsafe("vacuum analyze jobsvc.jobs, jobsvc.attempts, jobsvc.ready, jobsvc.leases");
}
