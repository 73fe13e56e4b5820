import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const waiting = (world: World) => world.amount(1_000_000, 100_000);
const expired = (world: World) => world.amount(10_000, 500);
const BLOCK = 1_000;
const LEASE = 10;
const PICK_UP_MS = 10_000;
const USER = "123e4567-e89b-12d3-a456-426614174000";

/** So much waits that nobody can look through it, and a whole fleet has died. A new job starts at once all the same. */
export const mountain: Scenario = {
  name: "mountain",
  fault: "a mountain of waiting jobs and of leases without a worker",
  dose: (world) => `${waiting(world)} waiting, ${expired(world)} jobs in lapsed leases`,
  async run(world) {
    await heapUp(world);
    const { label, tries } = await world.client.submit({ fields: { priority: 1 } });
    const askedMs = tries[0]!.atMs;
    const called = () => world.receiver.calls.find((call) => call.label === label);
    while (!called() && Date.now() - askedMs < PICK_UP_MS) await world.wait(5);
    const waitedMs = (called()?.atMs ?? Number.POSITIVE_INFINITY) - askedMs;
    if (waitedMs > PICK_UP_MS) world.find("I14", `a job beside the mountain waited ${waitedMs} ms`);
    world.note(`a new job beside it started after ${waitedMs} ms`);
    world.healed();
    await world.settle(300_000);
  },
};

/** Half of what waits is due and of a kind that nobody knows, half is for tomorrow. */
async function heapUp(world: World) {
  await world.postgres.ask(async (sql) => {
    await sql`
      with job as (
        insert into jobsvc.jobs (id, kind, queue, priority, user_id, resource_id, payload, max_attempts)
        select gen_random_uuid(), case when place % 2 = 0 then 'unheard_of' else 'ai_agent' end, 'default', 5,
          ${USER}, ${USER}, '{}', 3
        from generate_series(1, ${waiting(world)}) as place
        returning id, kind
      ),
      numbered as (select *, row_number() over (partition by kind) / ${BLOCK}::int as block from job)
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, job_ids)
      select 'default', kind, 5, now() + case when kind = 'ai_agent' then interval '1 day' else interval '0' end, 1,
        array_agg(id)
      from numbered group by kind, block`;
    await sql`
      with job as (
        insert into jobsvc.jobs (id, kind, queue, priority, user_id, resource_id, payload, max_attempts)
        select gen_random_uuid(), 'call', 'default', 5, ${USER}, ${USER},
          json_build_object('url', ${world.receiver.url}::text, 'label', 'lapsed-' || place, 'text', 'lapsed'), 3
        from generate_series(1, ${expired(world)}) as place
        returning id
      ),
      numbered as (select *, row_number() over () / ${LEASE}::int as lease from job)
      insert into jobsvc.leases (worker_id, queue, kind, priority, attempt, job_ids)
      select gen_random_uuid(), 'default', 'call', 5, 1, array_agg(id) from numbered group by lease`;
  });
}
