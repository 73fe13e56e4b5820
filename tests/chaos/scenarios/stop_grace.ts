import { until } from "../../support/until.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const jobs = (world: World) => world.amount(20, 6);
const GRACE_MS = 1_000;
/** Between the end of the grace and the exit endings are written and the goodbye is said; twice that on a busy machine. */
const GOODBYE_MS = 6_000;

/** What is not through when the grace ends is given back and runs elsewhere at once; a second signal does not wait. */
export const stopGrace: Scenario = {
  name: "stop-grace",
  fault: "SIGTERM while jobs run that take a minute, then twice",
  dose: (world) => `${jobs(world)} jobs, grace ${GRACE_MS} ms`,
  world: { workers: 1, apis: 1, worker: { args: [`--grace-ms=${GRACE_MS}`] } },
  async run(world) {
    world.receiver.behave(({ attempt }) => ({ delayMs: attempt === 1 ? 60_000 : 20 }));
    await world.client.submitMany(jobs(world));
    const leaving = await begun(world);
    const begunMs = Date.now();
    leaving.signal("SIGTERM");
    const code = await leaving.exited;
    const tookMs = Date.now() - begunMs;
    if (code !== 0) world.find("I10", `it left with ${code}`);
    if (tookMs > GRACE_MS + GOODBYE_MS) world.find("I10", `it took ${tookMs} ms to leave`);
    await world.fleet.startWorker();
    await world.settle();
    const outcomes = await world.postgres.ask(
      (sql) => sql<{ outcome: string }[]>`select distinct outcome from jobsvc.attempts where attempt = 1`,
    );
    for (const { outcome } of outcomes)
      if (outcome !== "released") world.find("I10", `a first attempt ended ${outcome}`);
    await twice(world);
  },
};

/** The second wish comes late enough not to be the echo of the first. */
async function twice(world: World) {
  await world.client.submitMany(jobs(world));
  const leaving = await begun(world);
  leaving.signal("SIGTERM");
  await world.wait(500);
  const begunMs = Date.now();
  leaving.signal("SIGTERM");
  await leaving.exited;
  const tookMs = Date.now() - begunMs;
  if (tookMs > GRACE_MS) world.find("I10", `a second signal took ${tookMs} ms`);
  await world.fleet.startWorker();
  world.healed();
}

/** The worker, once it works. */
async function begun(world: World) {
  const open = () => world.receiver.calls.filter(({ answeredMs, attempt }) => !answeredMs && attempt === 1);
  const [worker] = world.fleet.living("worker");
  await until(
    "all jobs to run",
    () => open().filter((call) => call.worker === worker!.pid).length >= jobs(world),
  );
  return worker!;
}
