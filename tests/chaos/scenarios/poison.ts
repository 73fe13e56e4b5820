import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const POISON = "poison";
const neighbours = (world: World) => world.amount(999, 60);
/** As `--max-losses` has it. */
const KILLS = 3;

/** Whoever runs the poison dies of it. It is found out, and nobody is buried with it. */
export const poison: Scenario = {
  name: "poison",
  fault: "a job that kills its worker",
  dose: (world) => `1 among ${neighbours(world)}`,
  async run(world) {
    world.endsAs(POISON, ["failed"]);
    const restarts: Promise<unknown>[] = [];
    world.receiver.behave(({ label, worker }) => {
      if (label !== POISON) return { delayMs: 50 };
      world.fleet.byPid(worker)?.signal("SIGKILL");
      restarts.push(world.fleet.startWorker());
      return { hang: "silent" };
    });
    const before = world.client.submitMany(Math.floor(neighbours(world) / 2));
    await world.client.submit({ label: POISON, fields: { max_retries: 25 } });
    await before;
    await world.client.submitMany(Math.ceil(neighbours(world) / 2));
    await world.settle();
    await Promise.all(restarts);
    if (restarts.length !== KILLS) world.find("I13", `it killed ${restarts.length} workers, not ${KILLS}`);
    const [end] = await world.postgres.ask(
      (sql) => sql<{ reason: string | null }[]>`
      select error->>'reason' as reason from jobsvc.attempts join jobsvc.jobs on jobs.id = job_id
      where payload->>'label' = ${POISON} order by attempt desc limit 1`,
    );
    if (end?.reason !== "crashed") world.find("I13", `it ended with the reason ${end?.reason}`);
    world.note(`${restarts.length} workers killed`);
  },
};
