import { beforeEach, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import { holdings } from "../../src/worker/holdings.ts";
import { takes } from "../../src/worker/takes.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew, marksOf, registered } from "../support/factory.ts";
import { clear, ids } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

/** Takes of a worker that is alive, and how many statements they were; `failing` breaks the next one. */
async function taking() {
  const worker = await registered(db);
  const held: string[] = [];
  const seen = { statements: 0, failing: false };
  const watched: Database = {
    ...db,
    run(statement) {
      seen.statements++;
      return seen.failing ? Promise.reject(new Error("away")) : db.run(statement);
    },
  };
  const take = takes({ db: watched, workerId: worker.id, holdings: holdings(), failLost: [] });
  const ask = async (queue: string) => {
    const marks = await marksOf(db, queue, worker.kinds);
    return {
      queue,
      kinds: worker.kinds,
      marks,
      limit: 10,
      blocks: 10,
      hold: ({ id }: { id: string }) => void held.push(id),
    };
  };
  return { take, ask, held, seen };
}

test("takes that are asked for in the same moment share a statement, and each gets its own jobs", async () => {
  const { take, ask, held, seen } = await taking();
  const mail = await insertNew(db, 2, { queue: "mail" });
  const video = await insertNew(db, 1, { queue: "video" });
  const asks = [await ask("mail"), await ask("nothing"), await ask("video")];
  const taken = await Promise.all(asks.map(take));
  expect(taken.map(({ jobs }) => ids(jobs))).toEqual([ids(mail), [], ids(video)]);
  expect(held).toEqual(ids([...mail, ...video]));
  expect(seen.statements).toBe(1);
});

test("a take waits for no other that is under way", async () => {
  const { take, ask, seen } = await taking();
  const [mail, video] = [await ask("mail"), await ask("video")];
  const first = take(mail);
  await Promise.resolve();
  await Promise.resolve();
  expect(seen.statements).toBe(1);
  const second = take(video);
  await Promise.all([first, second]);
  expect(seen.statements).toBe(2);
});

test("who asks twice for a queue in the same moment gets no job twice", async () => {
  const { take, ask, held, seen } = await taking();
  const jobs = await insertNew(db, 30, { queue: "mail" });
  const asks = [await ask("mail"), await ask("mail"), await ask("mail")];
  const taken = (await Promise.all(asks.map(take))).flatMap(({ jobs }) => ids(jobs));
  expect(seen.statements).toBe(3);
  expect(new Set(taken).size).toBe(taken.length);
  expect(held.toSorted()).toEqual(taken.toSorted());
  expect(ids(jobs)).toEqual(expect.arrayContaining(taken));
});

test("all who asked together hear of a failure, and the next take goes on", async () => {
  const { take, ask, seen } = await taking();
  await insertNew(db, 1, { queue: "mail" });
  const asks = [await ask("mail"), await ask("video")];
  seen.failing = true;
  for (const outcome of await Promise.allSettled(asks.map(take))) expect(outcome.status).toBe("rejected");
  seen.failing = false;
  expect((await take(asks[0]!)).jobs).toHaveLength(1);
});

test("one of those who ask together may have a suspect, and each gets its turn", async () => {
  const { take, ask } = await taking();
  const suspects = [];
  for (const queue of ["mail", "video"]) suspects.push(...(await insertNew(db, 1, { queue })));
  await db.sql`update jobsvc.ready set losses = 2`;
  const asks = [await ask("mail"), await ask("video")];
  const found: string[] = [];
  while (found.length < suspects.length) {
    const taken = (await Promise.all(asks.map(take))).flatMap(({ jobs }) => ids(jobs));
    expect(taken.length).toBeLessThanOrEqual(1);
    found.push(...taken);
  }
  expect(found.toSorted()).toEqual(ids(suspects).toSorted());
});
