import { until } from "../../support/until.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const rounds = (world: World) => world.amount(3);
const orphans = (world: World) => world.amount(600, 250);
/** Fewer than the 256 calls that Bun lets a process have open at once. */
const SLOTS = 250;

/** Postgres goes while a rescue has half of its work done: what was undone with it is done again, once. */
export const sweep: Scenario = {
  name: "sweep",
  fault: "PostgreSQL stopped (immediate) in the middle of a rescue",
  dose: (world) => `${rounds(world)} times, ${orphans(world)} orphans`,
  world: { slots: SLOTS },
  async run(world) {
    for (let round = 0; round < rounds(world); round++) {
      const label = (job: number) => `round-${round}-${job}`;
      world.receiver.behave(({ attempt }) => (attempt === 1 ? { hang: "silent" } : undefined));
      await Promise.all(
        Array.from({ length: orphans(world) }, (_, job) => world.client.submit({ label: label(job) })),
      );
      await until("all jobs to run", () => openCalls(world, round) === orphans(world), 60_000);
      await interrupted(world);
      world.healed();
      await Promise.all([1, 2, 3].map(() => world.fleet.startWorker()));
      await world.settle();
      await allBack(world, round);
    }
  },
};

function openCalls(world: World, round: number): number {
  return world.receiver.calls.filter(({ label }) => label.startsWith(`round-${round}-`)).length;
}

/** Nobody can write an ending while all workers die; so a rescue begins, waits in its middle, and is cut off there. */
async function interrupted(world: World) {
  const holder = world.postgres.session();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const holding = holder
    .begin(async (sql) => {
      await sql`lock table jobsvc.attempts in share row exclusive mode`;
      held.resolve();
      await released;
    })
    .catch(() => undefined);
  await held.promise;
  const victims = world.fleet.living("worker");
  for (const victim of victims) victim.signal("SIGKILL");
  await Promise.all(victims.map((victim) => victim.exited));
  await until("a rescue to be in its middle", () => rescueWaits(world), 60_000);
  await world.postgres.stop("immediate");
  release();
  await holding;
  await holder.end({ timeout: 1 });
  await world.postgres.start();
}

async function rescueWaits(world: World): Promise<boolean> {
  const waiting = await world.postgres.ask(
    (sql) => sql`
    select from pg_stat_activity
    where usename = 'app' and wait_event_type = 'Lock' and query like '%orphaned as materialized%'`,
  );
  return waiting.length > 0;
}

async function allBack(world: World, round: number) {
  const [row] = await world.postgres.ask(
    (sql) => sql<{ lost: number }[]>`
    select count(*)::int as lost from jobsvc.attempts join jobsvc.jobs on jobs.id = job_id
    where attempt = 1 and outcome = 'lost' and payload->>'label' like ${`round-${round}-%`}`,
  );
  if (row!.lost !== orphans(world))
    world.find("B08", `${row!.lost} of ${orphans(world)} orphans were rescued`);
}
