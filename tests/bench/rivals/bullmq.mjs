// BullMQ, on Redis and not on Postgres. Jobs that are done are kept.
//   fastest: 100 jobs at once in one worker.
//   default: one at a time.
import { Queue, Worker } from "bullmq";

const FASTEST_SLOTS = 100;

const connectionTo = (url) => ({
  host: new URL(url).hostname,
  port: Number(new URL(url).port),
  maxRetriesPerRequest: null,
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
    ...(mode === "fastest" && { concurrency: slots }),
  });
  await worker.waitUntilReady();
  return { stop: () => worker.close() };
}
