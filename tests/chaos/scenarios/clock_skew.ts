import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const jobs = (world: World) => world.amount(1_000, 60);
const spanMs = (world: World) => world.seconds(60, 6);
/** A poll, and a busy machine. */
const LATE_MS = 5_000;

const clock = (shift: string) => ({ wrapper: ["faketime", "-f", shift] });

/** Whose clock is wrong does not matter: the database's counts. */
export const clockSkew: Scenario = {
  name: "clock-skew",
  fault: "workers an hour ahead and an hour behind, an API ten minutes ahead",
  dose: (world) => `${jobs(world)} jobs scheduled over ${spanMs(world) / 1_000} s`,
  world: { workers: 0, apis: 0 },
  missing: () => (Bun.which("faketime") ? undefined : "faketime is not installed"),
  async run(world) {
    await Promise.all([
      world.fleet.startWorker(clock("+1h")),
      world.fleet.startWorker(clock("-1h")),
      world.fleet.startApi(clock("+10m")),
    ]);
    const begunMs = Date.now();
    const due = new Map<string, number>();
    for (let job = 0; job < jobs(world); job++) {
      const label = `scheduled-${job}`;
      const atMs = Math.round(begunMs + 1_000 + (spanMs(world) * job) / jobs(world));
      due.set(label, atMs);
      await world.client.submit({ label, fields: { scheduled_at: new Date(atMs).toISOString() } });
    }
    await world.wait(begunMs + 1_000 + spanMs(world) - Date.now());
    await world.settle();
    let latest = 0;
    for (const call of world.receiver.calls) {
      const acknowledgedMs = world.client.submissions
        .find(({ label }) => label === call.label)!
        .tries.at(-1)!;
      const dueMs = Math.max(due.get(call.label)!, acknowledgedMs.atMs);
      if (call.atMs < dueMs) world.find("I14", `${call.label} ran ${dueMs - call.atMs} ms early`);
      latest = Math.max(latest, call.atMs - dueMs);
    }
    if (latest > LATE_MS) world.find("I14", `a job ran ${latest} ms late`);
    const lost = await world.postgres.ask((sql) => sql`select from jobsvc.attempts where outcome = 'lost'`);
    if (lost.length > 0) world.find("I4", `${lost.length} attempts were rescued from living workers`);
    world.note(`at most ${latest} ms late`);
  },
};
