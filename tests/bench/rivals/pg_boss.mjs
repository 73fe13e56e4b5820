// pg-boss in its fastest documented mode: insert in bulk, work in batches of 500.
import { PgBoss } from "pg-boss";

const [connectionString, jobs] = [process.argv[2], Number(process.argv[3])];
const INSERT_BATCH = 5_000;
const WORK_BATCH = 500;
const WORKERS = 4;

const boss = new PgBoss({ connectionString, max: 8 });
boss.on("error", () => {});
await boss.start();
await boss.createQueue("noop");
const insertStarted = performance.now();
for (let from = 0; from < jobs; from += INSERT_BATCH) {
  const batch = Array.from({ length: Math.min(INSERT_BATCH, jobs - from) }, (_, at) => ({
    data: { number: from + at, text: "x".repeat(70) },
  }));
  await boss.insert("noop", batch);
}
const insertSeconds = (performance.now() - insertStarted) / 1000;

const drainStarted = performance.now();
// Fetch and complete by hand is its fastest way: work() waits for a poll between batches.
await Promise.all(
  Array.from({ length: WORKERS }, async () => {
    for (;;) {
      const batch = await boss.fetch("noop", { batchSize: WORK_BATCH });
      if (batch.length === 0) return;
      await boss.complete(
        "noop",
        batch.map((job) => job.id),
      );
    }
  }),
);
const drainSeconds = (performance.now() - drainStarted) / 1000;
await boss.stop({ graceful: false });
console.log(JSON.stringify({ insertSeconds, drainSeconds }));
