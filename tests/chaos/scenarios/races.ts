import { connect, type Database } from "../../../src/db/connect.ts";
import { rescueJobs } from "../../../src/queue/rescue.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const DELAY_MS = 200;
/** A cancel has a way to go, too: it sets out a little before the end. The end of a lease is there at once. */
const CANCEL_AT_MS = DELAY_MS - 10;
const LAPSE_AT_MS = DELAY_MS + 8;
const WIDTH_MS = 50;

const cancels = (world: World) => world.amount(1_000, 150);

/** Jobs are cancelled in the moment in which they finish: they are one or the other, and the answer was right. */
export const cancelRace: Scenario = {
  name: "cancel-race",
  fault: "jobs cancelled while they finish",
  dose: (world) => `${cancels(world)} jobs`,
  async run(world) {
    const answers = new Map<string, number>();
    const cancelling: Promise<unknown>[] = [];
    const [api] = world.fleet.living("api");
    world.receiver.behave(({ jobId, label }) => {
      world.endsAs(label, ["completed", "cancelled"]);
      cancelling.push(
        about(world, CANCEL_AT_MS)
          .then(async () => {
            const { status } = await fetch(`${api!.url}/api/jobs/${jobId}/cancel`, { method: "POST" });
            answers.set(jobId, status);
          })
          .catch((error) => world.find("harness", String(error))),
      );
      return { delayMs: DELAY_MS };
    });
    await world.client.submitMany(cancels(world));
    await world.settle();
    await Promise.all(cancelling);
    await world.settle();
    let cancelled = 0;
    for (const { id, state } of (await world.books()).jobs) {
      const answer = answers.get(id);
      if (answer === 200) cancelled++;
      // What was cancelled already is cancelled also for the one who comes second; nobody does here.
      const right = answer === 200 ? "cancelled" : answer === 409 ? "completed" : undefined;
      if (state !== right)
        world.find("I6", `a cancel was answered ${answer}, and the job is ${state} (${id})`);
    }
    world.note(`${cancelled} cancelled in time`);
  },
};

/** So that a job that is lost again and again is none that crashes its workers. */
const MAX_LOSSES = 100;
const lapses = (world: World) => world.amount(2_000, 150);

/** The lease ends in the moment in which the handler does: the attempt was lost, or it is completed, and never both. */
export const leaseRace: Scenario = {
  name: "lease-race",
  fault: "leases that end while their jobs finish",
  dose: (world) => `${lapses(world)} jobs`,
  world: { worker: { args: [`--max-losses=${MAX_LOSSES}`] } },
  async run(world) {
    const lapsing: Promise<unknown>[] = [];
    const db = connect({
      address: world.postgres.url(),
      name: "chaos rescue",
      connections: 4,
      prepare: true,
    });
    world.defer(db.close);
    world.receiver.behave(({ jobId, attempt }) => {
      if (attempt > 1) return undefined;
      const one = about(world, LAPSE_AT_MS).then(() => lapse(db, jobId));
      lapsing.push(one.catch((error) => world.find("harness", String(error))));
      return { delayMs: DELAY_MS };
    });
    await world.client.submitMany(lapses(world));
    await Promise.all(lapsing);
    await world.settle();
    const lost = await world.postgres.ask((sql) => sql`select from jobsvc.attempts where outcome = 'lost'`);
    world.note(`${lost.length} lost`);
  },
};

function about(world: World, ms: number): Promise<void> {
  return world.wait(ms + (world.dice.next() - 0.5) * 2 * WIDTH_MS);
}

/** What a beat does to a lease that its process no longer knows, and what every node does then. */
async function lapse(db: Database, jobId: string) {
  await db.run((sql) => sql`update jobsvc.leases set worker_id = null where ${jobId} = any (job_ids)`);
  await rescueJobs(db, { maxLosses: MAX_LOSSES, limit: 200 });
}
