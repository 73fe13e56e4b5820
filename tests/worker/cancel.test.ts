import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { clear, endings, leases, stateOf } from "../support/facts.ts";
import { handler, stubborn } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

/** A handler that tells when it runs and why it was broken off; then it goes on as `then` says. */
function watched(then: () => unknown) {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  const definition = handler(async (_, { signal }) => {
    signal.addEventListener("abort", () => aborted.resolve(signal.reason));
    started.resolve();
    return await then();
  });
  return { definition, started: started.promise, aborted: aborted.promise };
}

describe("a running job that is cancelled", () => {
  test("hears of it at once by notification, and what it still does counts for nothing", async () => {
    const released = Promise.withResolvers<string>();
    const { definition, started, aborted } = watched(() => released.promise);
    const [job] = await insertNew(db, 1);
    // With this TTL no beat comes before the test is over.
    const worker = await startWorker(db, [definition], { ttlMs: 600_000 });
    await started;
    expect(await cancelJob(db, job!.id)).toBe("cancelled");
    expect(await aborted).toBe("cancelled");
    released.resolve("too late");
    await until("no lease", async () => (await leases(db)).length === 0);
    expect(await endings(db, job!.id)).toMatchObject([
      { attempt: 1, outcome: "cancelled", workerId: worker.id, result: null },
    ]);
    expect(worker.of("job.ended")).toEqual([]);
  });

  test.each(["cancelled", "completed"])(
    "or %s by somebody else, hears of it by the next beat where notifications get lost",
    async (outcome) => {
      const { definition, started, aborted } = watched(stubborn);
      const [job] = await insertNew(db, 1);
      const worker = await startWorker(db, [definition], { ttlMs: 1_000 });
      await started;
      // What a cancel writes, without what it tells.
      await db.sql`insert into jobsvc.attempts (job_id, attempt, outcome, finished_at)
        values (${job!.id}, 1, ${outcome}, now())`;
      expect(await aborted).toBe(outcome);
      await until("no lease", async () => (await leases(db)).length === 0);
      expect(worker.of("job.broken_off")).toMatchObject([{ job_id: job!.id, outcome }]);
      expect(worker.of("job.ending_lost")).toEqual([]);
    },
  );

  test("is told what it had used up by then", async () => {
    const usage = { input_tokens: 12, output_tokens: 5, cost: 0.5 };
    const spent = Promise.withResolvers<void>();
    const definition = handler((_, context) => {
      context.spent(usage);
      spent.resolve();
      return stubborn();
    });
    const [job] = await insertNew(db, 1);
    await startWorker(db, [definition]);
    await spent.promise;
    await cancelJob(db, job!.id);
    await until("its usage", async () => {
      const [attempt] = await db.sql`select outcome, usage from jobsvc.attempts where job_id = ${job!.id}`;
      return attempt?.usage && Bun.deepEquals({ ...attempt }, { outcome: "cancelled", usage });
    });
  });

  test("gives its slot to the next, also when it does not heed its signal", async () => {
    const { definition, started } = watched(stubborn);
    const [job] = await insertNew(db, 1);
    const next = handler(() => "done", { kind: "client_agent" });
    const worker = await startWorker(db, [definition, next], { queues: [{ name: "default", slots: 1 }] });
    await started;
    const [waiting] = await insertNew(db, 1, { kind: "client_agent" });
    await cancelJob(db, job!.id);
    await until("no lease", async () => (await leases(db)).length === 0);
    worker.wake("default");
    await until("the next job", async () => (await stateOf(db, waiting!.id)) === "completed");
  });

  test("takes none of its neighbours along, which share its lease", async () => {
    const [job, other] = await insertNew(db, 2);
    const aborted: string[] = [];
    const go = Promise.withResolvers<void>();
    const heard = Promise.withResolvers<void>();
    const worker = await startWorker(db, [
      handler(async (_, { job: { id }, signal }) => {
        signal.addEventListener("abort", () => {
          aborted.push(id);
          heard.resolve();
        });
        await go.promise;
      }),
    ]);
    await worker.heard("job.started", ({ job_id }) => job_id === other!.id);
    await cancelJob(db, job!.id);
    await heard.promise;
    go.resolve();
    await until("its neighbour", async () => (await stateOf(db, other!.id)) === "completed");
    expect(aborted).toEqual([job!.id]);
  });
});
