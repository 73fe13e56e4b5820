// graphile-worker in its fastest documented mode: a local queue, completions in batches, addJobs for bulk.
// Its jobs are deleted when they are done: unlike jobsvc it keeps no history.
import { Logger, makeWorkerUtils, run } from "graphile-worker";

const [connectionString, jobs] = [process.argv[2], Number(process.argv[3])];
const INSERT_BATCH = 5_000;
const logger = new Logger(() => () => {});

const utils = await makeWorkerUtils({ connectionString, logger });
await utils.migrate();
const insertStarted = performance.now();
for (let from = 0; from < jobs; from += INSERT_BATCH) {
  const batch = Array.from({ length: Math.min(INSERT_BATCH, jobs - from) }, (_, at) => ({
    identifier: "noop",
    payload: { number: from + at, text: "x".repeat(70) },
  }));
  await utils.addJobs(batch);
}
const insertSeconds = (performance.now() - insertStarted) / 1000;
await utils.release();

let done = 0;
const finished = Promise.withResolvers?.() ?? withResolvers();
const drainStarted = performance.now();
const runner = await run({
  connectionString,
  logger,
  preset: {
    worker: {
      concurrentJobs: 24,
      pollInterval: 1_000,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
  taskList: {
    noop: () => {
      if (++done === jobs) finished.resolve();
    },
  },
});
await finished.promise;
await runner.stop(); // returns when the completions are written
const drainSeconds = (performance.now() - drainStarted) / 1000;
console.log(JSON.stringify({ insertSeconds, drainSeconds }));

function withResolvers() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
