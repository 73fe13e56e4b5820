import { expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { readJobUsage, recordUsage } from "../../src/queue/usage.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, passTime, registered, take } from "../support/factory.ts";
import { endings } from "../support/facts.ts";

const db = await testDatabase();

test("usage is added to an attempt that has ended without it, and to no other", async () => {
  const worker = await registered(db);
  const [job] = await insertNew(db, 1, { priority: 1 });
  const [taken] = await take(db, worker, 1);
  const attempt = { jobId: job!.id, attempt: 1 };
  const usage = { input_tokens: 1, output_tokens: 2 };
  await recordUsage(db, attempt, usage);
  expect(await readJobUsage(db, job!.id)).toBeNull();
  await cancelJob(db, job!.id);
  await recordUsage(db, attempt, usage);
  await recordUsage(db, attempt, { input_tokens: 100, output_tokens: 200 });
  expect(await readJobUsage(db, job!.id)).toEqual(usage);
  expect(await end(db, worker, [taken!])).toEqual([]);
  expect(await endings(db, job!.id)).toMatchObject([{ outcome: "cancelled" }]);
});

test("what a job has used up is the sum of its attempts, and of no other job's", async () => {
  const worker = await registered(db);
  const [job] = await insertNew(db, 1, { priority: 1 });
  expect(await readJobUsage(db, job!.id)).toBeNull();
  for (const [outcome, usage] of [
    ["failed", { input_tokens: 10, output_tokens: 3, cost: 0.1, estimated: true }],
    ["failed", null],
    ["released", { input_tokens: 12, output_tokens: 5, cost: 0.2 }],
  ] as const) {
    await end(db, worker, await take(db, worker, 1), { outcome, usage, retryAfterMs: 1_000 });
    await passTime(db, 1_000);
  }
  const [other] = await insertNew(db, 1, { priority: 1 });
  await end(db, worker, await take(db, worker, 2), { usage: { input_tokens: 1_000, output_tokens: 1_000 } });
  expect(await readJobUsage(db, other!.id)).toEqual({ input_tokens: 1_000, output_tokens: 1_000 });
  expect(await readJobUsage(db, job!.id)).toEqual({
    input_tokens: 1_022,
    output_tokens: 1_008,
    cost: 0.3,
    estimated: true,
  });
});
