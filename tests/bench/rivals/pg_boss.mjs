// pg-boss. Jobs that are done are kept.
//   fastest: fetch and complete by hand, 500 jobs at a time, in 4 loops; where the time until a job starts matters, work()
//            on a queue with notifications.
//   default: work(), which fetches one job every 2 s.
import { setTimeout as pause } from "node:timers/promises";
import { PgBoss } from "pg-boss";

const LOOPS = 4;
const BATCH = 500;
const LOOK_EVERY_MS = 5;

/** Nobody works on it in the fastest mode but those whom notifications wake; they cost whoever inserts. */
const queueOf = ({ eager }) => (eager ? "eager" : "noop");

async function start(connectionString, mode) {
  const boss = new PgBoss({ connectionString, max: 8, useListenNotify: mode === "fastest" });
  boss.on("error", () => {});
  boss.on("warning", () => {});
  await boss.start();
  return boss;
}

export async function prepare(connectionString, mode) {
  const boss = await start(connectionString, mode);
  await boss.createQueue("noop");
  await boss.createQueue("eager", { notify: mode === "fastest" });
  await boss.stop({ graceful: false });
}

export async function producer(connectionString, mode, options) {
  const boss = await start(connectionString, mode);
  const queue = queueOf(options);
  return {
    insert(payloads, dueInMs) {
      const spec = dueInMs ? { startAfter: new Date(Date.now() + dueInMs) } : {};
      return boss.insert(
        queue,
        payloads.map((data) => ({ data, ...spec })),
      );
    },
    add: (payload) => boss.send(queue, payload),
    close: () => boss.stop({ graceful: false }),
  };
}

export async function worker(connectionString, mode, options, onJob) {
  const boss = await start(connectionString, mode);
  const queue = queueOf(options);
  let stopping = false;
  let loops = [];
  if (mode === "fastest" && !options.eager) loops = Array.from({ length: LOOPS }, loop);
  else await boss.work(queue, async ([job]) => onJob(job.data));

  async function loop() {
    const batchSize = options.slots ? Math.ceil(options.slots / LOOPS) : BATCH;
    while (!stopping) {
      const jobs = await boss.fetch(queue, { batchSize });
      if (jobs.length === 0) await pause(LOOK_EVERY_MS);
      else {
        await Promise.all(jobs.map((job) => onJob(job.data)));
        await boss.complete(
          queue,
          jobs.map((job) => job.id),
        );
      }
    }
  }

  return {
    async stop() {
      stopping = true;
      await Promise.all(loops);
      await boss.stop({ graceful: false });
    },
  };
}
