import type { Sql } from "../../../src/db/connect.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const good = (world: World) => world.amount(1_000, 100);
const USER = "123e4567-e89b-12d3-a456-426614174000";
const BAD_PAYLOADS = [
  "{}",
  '{"url":1}',
  '"text"',
  "null",
  "[]",
  "1e400",
  '{"url":"ftp://nowhere","label":"x","text":"y"}',
];

/** Rows that no request makes, but a person with psql does. Whatever becomes of them, the others are not held up. */
export const badRows: Scenario = {
  name: "bad-rows",
  fault: "rows that make no sense, by SQL",
  dose: (world) => `${BAD_PAYLOADS.length + BAD_BLOCKS.length} among ${good(world)}`,
  async run(world) {
    const first = world.client.submitMany(Math.floor(good(world) / 2));
    let refused = 0;
    await world.postgres.ask(async (sql) => {
      for (const payload of BAD_PAYLOADS) await waits(sql, await job(sql, "ai_bad", payload), {});
      // Some the database refuses, which is the best that can become of them.
      for (const bad of BAD_BLOCKS)
        await waits(sql, bad.id ?? (await job(sql, "call", GOOD(world))), bad).catch(() => refused++);
      await hugeError(sql);
    });
    world.note(`${refused} refused by the database`);
    await first;
    const second = await world.client.submitMany(Math.ceil(good(world) / 2));
    const done = () => second.every(({ label }) => world.receiver.calls.some((call) => call.label === label));
    const until = Date.now() + 60_000;
    while (!done() && Date.now() < until) await world.wait(50);
    if (!done()) world.find("I3", "bad rows hold up good ones");
    await world.settle(20_000);
    await readable(world);
    // What a person broke a person has to mend; the accounts are about the others.
    await world.postgres.ask((sql) => sql`delete from jobsvc.ready`);
    await world.postgres.ask((sql) => sql`delete from jobsvc.jobs where metadata ? 'bad'`);
  },
};

interface BadBlock {
  id?: string;
  attempt?: number;
  run_at?: string;
  priority?: number;
  queue?: string;
  kind?: string;
}

const BAD_BLOCKS: BadBlock[] = [
  { id: "00000000-0000-0000-0000-000000000000" },
  { attempt: 0 },
  { attempt: -7 },
  { run_at: "infinity" },
  { run_at: "-infinity" },
  { priority: 0 },
  { priority: -5 },
  { queue: "" },
  { kind: "" },
  { kind: "unheard_of" },
];

const GOOD = (world: World) => JSON.stringify({ url: world.receiver.url, label: "bad", text: "bad" });

async function job(sql: Sql, kind: string, payload: string): Promise<string> {
  const id = crypto.randomUUID();
  await sql`
    insert into jobsvc.jobs (id, kind, queue, priority, user_id, resource_id, payload, max_attempts, metadata)
    values (${id}, ${kind === "ai_bad" ? "call" : kind}, 'default', 5, ${USER}, ${USER}, ${payload}::text::json, 3,
      '{"bad":true}')`;
  return id;
}

async function waits(sql: Sql, id: string, bad: BadBlock) {
  const { attempt = 1, run_at = "now", priority = 5, queue = "default", kind = "call" } = bad;
  await sql`
    insert into jobsvc.ready (queue, kind, priority, run_at, attempt, job_ids)
    values (${queue}, ${kind}, ${priority}, ${run_at}::text::timestamptz, ${attempt}, array[${id}::uuid])`;
}

async function hugeError(sql: Sql) {
  const id = await job(sql, "call", "{}");
  await sql`insert into jobsvc.tallies (queue, kind, outcome, jobs) values ('default', 'call', 'failed', 1)`;
  await sql`
    insert into jobsvc.attempts (job_id, attempt, outcome, finished_at, error)
    values (${id}, 1, 'failed', now(), jsonb_build_object('name', 'Error', 'message', repeat('x', 10000000)))`;
}

/** Whoever looks sees them. */
async function readable(world: World) {
  const [api] = world.fleet.living("api");
  const { status } = await fetch(`${api!.url}/api/jobs?limit=200`);
  if (status !== 200) world.find("I3", `the list is answered ${status}`);
  const rows = await world.postgres.ask(
    (sql) => sql<{ id: string }[]>`select id from jobsvc.jobs where metadata ? 'bad'`,
  );
  for (const { id } of rows) {
    const { status } = await fetch(`${api!.url}/api/jobs/${id}`);
    if (status !== 200) world.find("I3", `a bad job is answered ${status} (${id})`);
  }
}
