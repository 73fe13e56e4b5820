import { until } from "../../support/until.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const jobs = (world: World) => world.amount(1_000, 100);
/** Beyond what 32 bits hold, and beyond what a number of JavaScript counts one by one. */
const HEIGHTS = [2n ** 31n + 1n, 2n ** 53n + 1n];
const PAST_32_BITS = 2 ** 31 + 1;
/** A lane that nobody works, with more ended jobs than 32 bits can count. */
const LANE = "ballast";

/** Whatever is numbered is numbered on where old systems end, and what is counted is told as it is. */
export const counters: Scenario = {
  name: "counters",
  fault: "sequences and tallies past 2^31, then past 2^53",
  dose: (world) => `${jobs(world)} jobs at each height`,
  async run(world) {
    await world.postgres.ask(
      (sql) => sql`
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select ${LANE}, ${LANE}, 'completed', ${PAST_32_BITS} from generate_series(1, 2)`,
    );
    for (const height of HEIGHTS) {
      await lift(world, height);
      await world.client.submitMany(jobs(world), { fields: { priority: 1 } });
      await world.client.submit({ fields: { scheduled_at: new Date(Date.now() + 1_000).toISOString() } });
      await walk(world);
      await world.settle();
    }
    await tallied(world);
    // The accounts are about the jobs of the client.
    await world.postgres.ask((sql) => sql`delete from jobsvc.tallies where queue = ${LANE}`);
  },
};

async function lift(world: World, height: bigint) {
  const lifted = await world.postgres.ask(
    (sql) => sql<{ name: string }[]>`
    select sequencename as name, setval(format('%I.%I', schemaname, sequencename), ${String(height)}::bigint)
    from pg_sequences where schemaname = 'jobsvc' and max_value > ${String(height)}::bigint`,
  );
  if (lifted.length === 0) world.find("harness", "no sequence was lifted");
}

const PAGE = 50;

/** Page after page of what there is, which must be all of it and nothing twice. */
async function walk(world: World) {
  const [api] = world.fleet.living("api");
  const seen = new Set<string>();
  for (let next: string | null = ""; next !== null; ) {
    const cursor = next && `&cursor=${encodeURIComponent(next)}`;
    const response: Response = await fetch(`${api!.url}/api/jobs?limit=${PAGE}${cursor}`);
    if (!response.ok) return world.find("I19", `a page of the list is answered ${response.status}`);
    const page = (await response.json()) as { jobs: { job_id: string }[]; next_cursor: string | null };
    for (const { job_id } of page.jobs) {
      if (seen.has(job_id)) world.find("I19", `${job_id} is listed twice`);
      seen.add(job_id);
    }
    next = page.next_cursor;
  }
  const asked = world.client.submissions.length;
  if (seen.size !== asked) world.find("I19", `${seen.size} jobs are listed, ${asked} were asked for`);
}

/** Once as two sums, and once as the one that maintenance makes of them. */
async function tallied(world: World) {
  const [api] = world.fleet.living("api");
  const told = async () => {
    const stats = (await (await fetch(`${api!.url}/api/stats`)).json()) as {
      by_kind: { queue: string; completed: number }[];
    };
    return stats.by_kind.find(({ queue }) => queue === LANE)?.completed;
  };
  const check = async () => {
    const completed = await told();
    if (completed !== 2 * PAST_32_BITS)
      world.find("I19", `/api/stats tells ${completed}, not ${2 * PAST_32_BITS}`);
  };
  await check();
  await until("maintenance to add up the tallies", async () => (await parts(world)) === 1, 120_000);
  await check();
}

async function parts(world: World): Promise<number> {
  const rows = await world.postgres.ask((sql) => sql`select from jobsvc.tallies where queue = ${LANE}`);
  return rows.length;
}
