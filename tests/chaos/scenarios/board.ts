import { until } from "../../support/until.ts";
import type { Scenario, WorldOptions } from "../scenario.ts";
import type { World } from "../world.ts";
import { killBackends } from "./backend_kills.ts";
import { holdIdle, ROOM_FOR_IDLE } from "./connection_limit.ts";
import { killOneByOne } from "./kill_workers.ts";
import { holdTransaction } from "./old_transaction.ts";
import { restartPostgres } from "./restart_postgres.ts";

// The public score board of chaos among job queues: two workers, and work for more than two. Every slot is full all the
// while, so that a slot which stays empty after a fault shows as throughput that does not come back.

const WORKERS = 2;
const SLOTS = 20;
/** The slots are the limit, and not the processors: 200 jobs a second of the whole dose, half as many of less. */
const busyMs = (world: World) => (world.amount(10) < 10 ? 400 : 200);
const capacity = (world: World) => (SLOTS * WORKERS * 1_000) / busyMs(world);
/** Of what the slots can do: what they leave waits, and the heap must not outgrow the rest of the run. */
const LOAD = 1.15;
/** So much waits before anything is measured. */
const HEAP_S = 3;
/** A hiccup of the machine is no lost slot: in so much time it does not make a twentieth. */
const measuredMs = (world: World) => world.seconds(20, 10);
const RECOVERY_MS = 10_000;
const SETTLE_PATIENCE_MS = 600_000;

interface Row {
  name: string;
  fault: string;
  dose: (world: World) => string;
  world?: WorldOptions;
  harm(world: World): Promise<void>;
}

function row({ name, fault, dose, world: options, harm }: Row): Scenario {
  return {
    name: `board-${name}`,
    fault,
    dose,
    world: { workers: WORKERS, slots: SLOTS, ...options },
    async run(world) {
      world.receiver.behave(() => ({ delayMs: busyMs(world) }));
      await world.client.submitMany(capacity(world) * HEAP_S);
      const load = world.client.steady(capacity(world) * LOAD);
      await until("all slots to be full", () => underWay(world) >= SLOTS * WORKERS * 0.9);
      await world.phase("before", () => world.wait(measuredMs(world)));
      await world.phase("during", () => harm(world));
      await world.wait(RECOVERY_MS);
      await world.phase("after", () => world.wait(measuredMs(world)));
      const { waiting } = await world.left();
      if (waiting === 0) world.find("harness", "nothing waited any more: the slots were not full");
      await load.stop();
      await world.settle(SETTLE_PATIENCE_MS);
    },
  };
}

/** Calls that wait for their answer. */
function underWay({ receiver, fleet }: World): number {
  return receiver.calls.filter(
    ({ answeredMs, worker }) => answeredMs === undefined && fleet.byPid(worker)?.exitCode === undefined,
  ).length;
}

const repeats = (world: World) => world.amount(10, 3);
const heldMs = (world: World) => world.seconds(120, 10);

export const BOARD: readonly Scenario[] = [
  row({
    name: "restart",
    fault: "PostgreSQL restarted, all slots full",
    dose: () => "once",
    harm: (world) => restartPostgres(world, "fast"),
  }),
  row({
    name: "backend-kills",
    fault: "pg_terminate_backend all the while, all slots full",
    dose: (world) => `${world.amount(300, 25)} kills, 5 a second`,
    harm: killBackends,
  }),
  row({
    name: "idle-connections",
    fault: "300 idle connections held by others, all slots full",
    dose: (world) => `${world.seconds(60, 5) / 1_000} s`,
    world: { postgres: ROOM_FOR_IDLE },
    harm: holdIdle,
  }),
  row({
    name: "kill",
    fault: "SIGKILL of one of two workers and a new one, all slots full",
    dose: () => "once",
    harm: (world) => killOneByOne(world, 1),
  }),
  row({
    name: "repeated-kills",
    fault: "SIGKILL of one of two workers, again and again, all slots full",
    dose: (world) => `${repeats(world)} kills`,
    harm: (world) => killOneByOne(world, repeats(world)),
  }),
  row({
    name: "old-transaction",
    fault: "a transaction held open, all slots full",
    dose: (world) => `${heldMs(world) / 1_000} s`,
    harm: (world) => holdTransaction(world, heldMs(world)),
  }),
];
