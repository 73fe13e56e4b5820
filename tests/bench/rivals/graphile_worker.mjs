// graphile-worker. Jobs are deleted when they are done: it keeps no history.
//   fastest: a local queue of 500 and completions in batches, as its documentation measures itself; where the time until
//            a job starts matters, without the local queue. 24 jobs at once.
//   default: one job at a time, polls every 2 s, woken by notifications.
import { Logger, makeWorkerUtils, run } from "graphile-worker";

const logger = new Logger(() => () => {});

export async function prepare(connectionString) {
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  await utils.release();
}

export async function producer(connectionString) {
  const utils = await makeWorkerUtils({ connectionString, logger });
  return {
    insert(payloads, dueInMs) {
      const spec = dueInMs ? { runAt: new Date(Date.now() + dueInMs) } : {};
      return utils.addJobs(payloads.map((payload) => ({ identifier: "noop", payload, ...spec })));
    },
    add: (payload) => utils.addJob("noop", payload),
    close: () => utils.release(),
  };
}

export async function worker(connectionString, mode, { slots, eager }, onJob) {
  const batches = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
  const fastest = { concurrentJobs: slots ?? 24, pollInterval: 1_000, ...(eager ? {} : batches) };
  const runner = await run({
    connectionString,
    logger,
    noHandleSignals: true,
    preset: { worker: mode === "fastest" ? fastest : {} },
    taskList: { noop: onJob },
  });
  return { stop: () => runner.stop() };
}
