// bunqueue, through its server on Postgres, over its own TCP protocol. Jobs that are done are kept.
//   fastest: 100 jobs at once in one worker, which pulls as many in one request.
//   default: one at a time.
import { Queue, Worker } from "bunqueue/client";

const FASTEST_SLOTS = 100;

/** A call for many jobs may take long on a busy machine, and what is measured should not be given up. */
const PATIENCE_MS = 120_000;

const connectionTo = (url) => ({
  host: new URL(url).hostname,
  port: Number(new URL(url).port),
  commandTimeout: PATIENCE_MS,
});

export async function prepare() {}

export async function producer(url) {
  const queue = new Queue("noop", { connection: connectionTo(url) });
  return {
    insert(payloads, dueInMs) {
      const opts = dueInMs ? { delay: dueInMs } : {};
      return queue.addBulk(payloads.map((data) => ({ name: "noop", data, opts })));
    },
    add: (payload) => queue.add("noop", payload),
    close: () => queue.close(),
  };
}

export async function worker(url, mode, { slots = FASTEST_SLOTS }, onJob) {
  const worker = new Worker("noop", (job) => onJob(job.data), {
    connection: connectionTo(url),
    ...(mode === "fastest" && { concurrency: slots, batchSize: slots }),
  });
  return { stop: () => worker.close() };
}
