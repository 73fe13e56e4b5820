import { beforeEach, describe, expect, test } from "bun:test";
import { connect as dial } from "node:net";
import { reportLines } from "../../src/queue/report.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, registered, take, working } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { line, tell } from "../support/lines.ts";
import { allEvents, brief, eventsOf, next } from "../support/sse.ts";
import { until } from "../support/until.ts";
import { node } from "./node.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("whatever happens to a connection", () => {
  /** What a job with three attempts and 100 chunks has to tell, but for its waiting, which nobody needs to see. */
  async function eventful(pause: () => Promise<unknown>) {
    const worker = await registered(db);
    for (const [outcome, from, to] of [
      ["failed", 1, 40],
      ["released", 1, 25],
      ["completed", 1, 35],
    ] as const) {
      const [job] = await until("the job", async () => {
        const taken = await take(db, worker, 1);
        return taken.length > 0 && taken;
      });
      await pause();
      for (let chunk = from; chunk <= to; chunk += 5) {
        await tell(db, job!, chunk, chunk + 4);
        await pause();
      }
      await end(db, worker, [job!], { outcome, retryAfterMs: outcome === "completed" ? null : 0 });
      await pause();
    }
  }

  const chapter = (attempt: number, chunks: number, ending: string) => [
    `${attempt} state running`,
    ...Array.from({ length: chunks }, (_, index) => `${attempt} output ${index + 1}`),
    `${attempt} state ${ending}`,
  ];
  const STORY = [
    ...chapter(1, 40, "retryable failed"),
    ...chapter(2, 25, "retryable released"),
    ...chapter(3, 35, "completed completed"),
  ];
  const told = (briefs: string[]) => briefs.filter((text) => !text.endsWith("available"));

  test("every reader gets every event once, in order, from whichever process it asks", async () => {
    const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));
    console.log(`seed ${seed}`);
    const random = randomFrom(seed);
    const nodes = [await node(db), await node(db), await node(db)];
    const [job] = await insertNew(db, 1);

    /** Reads until the end, losing its connection after a few events, or before the first, again and again. */
    async function reader(): Promise<string[]> {
      const seen: string[] = [];
      let lastId: string | undefined;
      for (;;) {
        const one = nodes[Math.floor(random() * nodes.length)]!;
        const broken = new AbortController();
        const response = await one.watch(job!.id, lastId, { signal: broken.signal });
        if (response.status === 204) return seen;
        let left = Math.floor(random() * 12);
        if (left === 0) broken.abort();
        try {
          for await (const event of eventsOf(response)) {
            seen.push(brief(event));
            lastId = event.id;
            if (--left <= 0) broken.abort();
          }
        } catch (error) {
          expect((error as Error).name).toBe("AbortError");
        }
      }
    }

    const readers = Promise.all(Array.from({ length: 8 }, reader));
    // Now and then as long as it takes to be seen in between.
    await eventful(async () => random() < 0.3 && (await Bun.sleep(random() * 60)));
    for (const seen of await readers) expect(told(seen)).toEqual(STORY);
    expect((await allEvents(await nodes[0]!.watch(job!.id))).map(brief)).toEqual(STORY);
    for (const one of nodes) await until("no stream to be left", () => one.streams.size === 0);
  });

  test("a reader goes on at another process when its own one stops, which does not wait for it", async () => {
    const [first, second] = [await node(db), await node(db)];
    const { worker, jobs } = await working(db, 1);
    const events = eventsOf(await first.watch(jobs[0]!.id));
    await tell(db, jobs[0]!, 1, 3);
    const seen = [await next(events), await next(events)];
    const [, rest] = await Promise.all([first.stop(), Array.fromAsync(events)]);
    const lastId = [...seen, ...rest].at(-1)!.id;
    await tell(db, jobs[0]!, 4, 4);
    await end(db, worker, jobs);
    const more = await allEvents(await second.watch(jobs[0]!.id, lastId));
    expect([...seen, ...rest, ...more].map(brief)).toEqual([
      "1 state running",
      "1 output 1",
      "1 output 2",
      "1 output 3",
      "1 output 4",
      "1 state completed completed",
    ]);
  });

  test("a client that leaves is forgotten at once, however early it leaves", async () => {
    const { watch, streams, url } = await node(db);
    const { jobs } = await working(db, 1);
    const leaving = new AbortController();
    await next(eventsOf(await watch(jobs[0]!.id, undefined, { signal: leaving.signal })));
    expect(streams.size).toBe(1);
    leaving.abort();
    await until("the stream to be forgotten", () => streams.size === 0);

    for (let left = 0; left < 50; left++) {
      const { promise: sent, resolve } = Promise.withResolvers<void>();
      const socket = dial(Number(new URL(url).port), "127.0.0.1", () =>
        socket.write(`GET /api/jobs/${jobs[0]!.id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`, () =>
          resolve(),
        ),
      );
      await sent;
      socket.destroy();
    }
    const response = await watch(jobs[0]!.id);
    await until("all others to be forgotten", () => streams.size === 1);
    await response.body!.cancel();
  });

  test("a client that takes nothing is not read for, and its neighbours are", async () => {
    const { watch, streams } = await node(db);
    const { worker, jobs } = await working(db, 1);
    const stuck = await watch(jobs[0]!.id);
    const chunk = JSON.stringify({ chunk: "x".repeat(50_000) });
    const before = heldBytes();
    for (let seq = 1; seq <= 400; seq += 20)
      await reportLines(
        db,
        Array.from({ length: 20 }, (_, place) => line(jobs[0]!, seq + place, { data: chunk })),
      );
    await end(db, worker, jobs);
    expect((await allEvents(await watch(jobs[0]!.id))).length).toBe(402);
    expect(streams.size).toBe(1);
    expect(heldBytes() - before).toBeLessThan(200 * 1024 * 1024);
    // It gets everything once it takes it.
    expect(await allEvents(stuck)).toHaveLength(402);
  });
});

/** What is still in use, as opposed to memory that nobody has tidied up yet. */
function heldBytes(): number {
  Bun.gc(true);
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
