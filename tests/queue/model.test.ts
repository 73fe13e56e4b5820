import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Database } from "../../src/db/connect.ts";
import type { WorkerIdentity } from "../../src/queue/beat.ts";
import { beat } from "../../src/queue/beat.ts";
import { testDatabase } from "../support/database.ts";
import { registered } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { type Command, command, type Happening } from "./model/command.ts";
import { Model, TTL_MS } from "./model/model.ts";
import * as outside from "./model/outside.ts";
import * as workers from "./model/worker.ts";

/** Given again, it replays a run that failed: MODEL_SEED=… bun test tests/queue/model.test.ts */
const seed = Number(process.env.MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** On a slow machine fewer runs must do. */
const PATIENCE_MS = 25_000;

const MINUTE_MS = 60_000;
const worker = fc.nat({ max: 2 });
const job = fc.nat({ max: 30 });
const some = fc.nat({ max: 0xffff });

/** Whether the worker knows the kind as one that must not run twice. */
const failLost = fc.constantFrom(false, false, false, true);

const priority = fc.constantFrom(1, 5, 9);
const delayMs = fc.constantFrom(0, 0, 0, -MINUTE_MS, MINUTE_MS, 10 * MINUTE_MS);
const outcome = fc.constantFrom(
  { outcome: "completed", retryAfterMs: null } as const,
  { outcome: "completed", retryAfterMs: null } as const,
  { outcome: "failed", retryAfterMs: null } as const,
  { outcome: "failed", retryAfterMs: 0 } as const,
  { outcome: "failed", retryAfterMs: 10 * MINUTE_MS } as const,
  { outcome: "cancelled", retryAfterMs: null } as const,
  { outcome: "snoozed", retryAfterMs: MINUTE_MS } as const,
  { outcome: "released", retryAfterMs: 0 } as const,
);

function of<Picks>(happening: Happening<Picks>, picks: fc.Arbitrary<Picks>): fc.Arbitrary<Command> {
  return picks.map((picks) => command(happening, picks));
}

/** Each as often as its number says, so that jobs get far before the next disaster. */
const commands = fc.commands(
  (
    [
      [
        3,
        of(
          outside.insert,
          fc.record({
            count: fc.integer({ min: 1, max: 8 }),
            priority,
            delayMs,
            maxAttempts: fc.constantFrom(1, 2, 4),
          }),
        ),
      ],
      [
        1,
        of(
          outside.insertAndStart,
          fc.record({
            count: fc.integer({ min: 1, max: 5 }),
            slots: fc.integer({ min: 1, max: 4 }),
            delayMs,
            worker,
            failLost,
          }),
        ),
      ],
      [1, of(outside.insertAgain, fc.constant({}))],
      [1, of(outside.cancel, fc.record({ job }))],
      [1, of(outside.retry, fc.record({ job }))],
      [1, of(outside.remove, fc.record({ job }))],
      [1, of(outside.prune, fc.constant({}))],
      [1, of(outside.change, fc.record({ job, priority, delayMs: fc.option(delayMs) }))],
      [2, of(outside.rescue, fc.constant({}))],
      [2, of(outside.time, fc.record({ minutes: fc.constantFrom(1, 1, 10, 10, 60, 660) }))],
      [
        5,
        of(
          workers.take,
          fc.record({ worker, limit: fc.integer({ min: 1, max: 6 }), failLost, singly: fc.boolean() }),
        ),
      ],
      [
        4,
        of(
          workers.end,
          fc.record({ worker, some, how: outcome }).map(({ how, ...picks }) => ({ ...picks, ...how })),
        ),
      ],
      [1, of(workers.endAgain, fc.record({ worker }))],
      [1, of(workers.endMeetsCancel, fc.record({ worker, some }))],
      [1, of(workers.endMeetsRescue, fc.record({ worker }))],
      [1, of(workers.die, fc.record({ worker }))],
      [1, of(workers.forget, fc.record({ worker }))],
      [3, of(workers.sayAlive, fc.record({ worker, tellsLeases: fc.boolean() }))],
      [1, of(workers.release, fc.record({ worker }))],
    ] as const
  ).flatMap(([times, command]) => Array<typeof command>(times).fill(command)),
  { maxCommands: 150, size: "max" },
);

/** Whatever happens, in whatever order: the tables say what the model says. */
function agreement(db: Database) {
  return fc.asyncProperty(commands, async (commands) => {
    await clear(db);
    const identities: WorkerIdentity[] = [];
    for (let worker = 0; worker < 3; worker++) {
      const identity = await registered(db);
      await beat(db, {
        worker: identity,
        ttlMs: TTL_MS,
        draining: false,
        heldLeases: null,
        heldAttempts: [],
      });
      identities.push(identity);
    }
    await fc.asyncModelRun(() => ({ model: new Model(identities), real: db }), commands);
  });
}

describe("the queue and its model", () => {
  test(`agree after whatever happens to them (MODEL_SEED=${seed})`, async () => {
    const db = await testDatabase();
    await fc.assert(agreement(db), { seed, numRuns: 100, interruptAfterTimeLimit: PATIENCE_MS });
  }, 120_000);

  test(`do not agree once the key of the attempts is gone: it is the fence (MODEL_SEED=${seed})`, async () => {
    const db = await testDatabase();
    await db.sql`alter table jobsvc.attempts drop constraint attempts_job_id_attempt_pk`;
    const checked = await fc.check(agreement(db), { seed, numRuns: 60, endOnFailure: true });
    expect(checked.failed).toBe(true);
    expect(String(checked.errorInstance)).toContain("expect(");
  }, 120_000);
});
