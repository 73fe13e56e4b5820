import { beforeEach, describe, expect, test } from "bun:test";
import { connect as dial } from "node:net";
import { placeOf, STEP } from "../../src/job/event.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { deleteJob } from "../../src/queue/delete.ts";
import { reportLines } from "../../src/queue/report.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, passTime, registered, take, working } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { line, tell } from "../support/lines.ts";
import { allEvents, brief, eventsOf, next } from "../support/sse.ts";
import { problemOf, SOME_ID } from "./client.ts";
import { node } from "./node.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("watching a job", () => {
  test("shows its whole life: it waits, starts, tells, fails, starts again and ends, and then the stream ends", async () => {
    const { watch, streams } = await node(db);
    const [job] = await insertNew(db, 1, { scheduledAt: new Date(Date.now() + 60_000) });
    const response = await watch(job!.id);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
    });
    const events = eventsOf(response);
    expect(brief(await next(events))).toBe("1 state scheduled");
    await passTime(db, 60_001);
    expect(brief(await next(events))).toBe("1 state available");
    const worker = await registered(db);
    const [first] = await take(db, worker, 1);
    expect(brief(await next(events))).toBe("1 state running");
    await reportLines(db, [
      line(first!, 1, { type: "log", data: '{"message":"hello","fields":{"a":1}}' }),
      line(first!, 2, { type: "progress", data: '{"percent":50}' }),
      line(first!, 3),
    ]);
    expect((await next(events)).data).toEqual({
      attempt: 1,
      at: expect.any(String),
      message: "hello",
      fields: { a: 1 },
    });
    expect(brief(await next(events))).toBe("1 progress 50");
    expect(brief(await next(events))).toBe("1 output 3");
    await end(db, worker, [first!], { outcome: "failed", retryAfterMs: 0 });
    const failed = await next(events);
    expect(brief(failed)).toBe("1 state retryable failed");
    expect(failed.data).toMatchObject({ status: "created", run_at: expect.stringMatching(/Z$/) });
    let event = await next(events);
    // Whether somebody sees it wait depends on when they look.
    const [second] = await take(db, worker, 1);
    if (brief(event) === "2 state available") event = await next(events);
    expect(brief(event)).toBe("2 state running");
    await end(db, worker, [second!]);
    const last = await next(events);
    expect(last.data).toEqual({
      attempt: 2,
      at: expect.any(String),
      state: "completed",
      status: "completed",
      outcome: "completed",
      run_at: null,
    });
    expect((await events.next()).done).toBe(true);
    expect(streams.size).toBe(0);
  });

  test("that has ended shows all of it to whoever comes late, and 204 to whoever has seen it", async () => {
    const { watch } = await node(db);
    const { worker, jobs } = await working(db, 1);
    await tell(db, jobs[0]!, 1, 2);
    await end(db, worker, jobs, { outcome: "failed" });
    const events = await allEvents(await watch(jobs[0]!.id));
    expect(events.map(brief)).toEqual([
      "1 state running",
      "1 output 1",
      "1 output 2",
      "1 state failed failed",
    ]);
    const again = await watch(jobs[0]!.id, events.at(-1)!.id);
    expect(again.status).toBe(204);
    expect(await again.text()).toBe("");
  });

  test("goes on with a new attempt when an operator retries it, also for who had seen the end", async () => {
    const { watch } = await node(db);
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs, { outcome: "failed" });
    const [, failed] = await allEvents(await watch(jobs[0]!.id));
    await retryJob(db, jobs[0]!.id);
    const events = eventsOf(await watch(jobs[0]!.id, failed!.id));
    expect(brief(await next(events))).toBe("2 state available");
    const [again] = await take(db, worker, 1);
    expect(brief(await next(events))).toBe("2 state running");
    await end(db, worker, [again!]);
    expect((await Array.fromAsync(events)).map(brief)).toEqual(["2 state completed completed"]);
  });

  test("that is cancelled ends with that, running or not", async () => {
    const { watch } = await node(db);
    const { jobs } = await working(db, 1);
    const [waiting] = await insertNew(db, 1);
    const streams = [jobs[0]!, waiting!].map(async ({ id }) => {
      const events = eventsOf(await watch(id));
      await next(events);
      await cancelJob(db, id);
      return brief(await next(events));
    });
    expect(await Promise.all(streams)).toEqual([
      "1 state cancelled cancelled",
      "1 state cancelled cancelled",
    ]);
  });

  test("that is deleted meanwhile ends", async () => {
    const { watch, streams } = await node(db);
    const [job] = await insertNew(db, 1);
    const events = eventsOf(await watch(job!.id));
    await next(events);
    await cancelJob(db, job!.id);
    await deleteJob(db, job!.id);
    // The end may have been seen before it was gone.
    expect((await Array.fromAsync(events)).length).toBeLessThan(2);
    expect(streams.size).toBe(0);
  });

  test("that is not there is 404, whatever is asked for", async () => {
    const { watch } = await node(db);
    for (const id of [SOME_ID, "not-a-uuid"]) await problemOf(await watch(id), 404);
    await problemOf(await watch(SOME_ID, "1.2147483647"), 404);
  });

  test("needs no Accept, and minds no id that is not ours", async () => {
    const { url, watch } = await node(db);
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs);
    const path = `${url}/api/jobs/${jobs[0]!.id}/events`;
    for (const accept of ["text/event-stream", "application/json", "*/*"])
      expect(await allEvents(await fetch(path, { headers: { accept } }))).toHaveLength(2);
    for (const id of ["", "garbage", "7", "-1.-1", "9".repeat(100)])
      expect(await allEvents(await watch(jobs[0]!.id, id))).toHaveLength(2);
  });

  test("with HEAD tells the head only", async () => {
    const { watch, streams } = await node(db);
    const { jobs } = await working(db, 1);
    const response = await watch(jobs[0]!.id, undefined, { method: "HEAD" });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(await response.text()).toBe("");
    expect(streams.size).toBe(0);
  });

  test("over HTTP/1.0, as some proxies do, is a stream as well", async () => {
    const { url } = await node(db);
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs);
    const { promise, resolve } = Promise.withResolvers<string>();
    let answer = "";
    const socket = dial(Number(new URL(url).port), "127.0.0.1", () =>
      socket.write(`GET /api/jobs/${jobs[0]!.id}/events HTTP/1.0\r\n\r\n`),
    );
    socket.on("data", (data) => {
      answer += data;
      if (answer.includes('"completed"')) resolve(answer);
    });
    expect(await promise).toContain("event: state");
    socket.destroy();
  });
});

test("ids say where a reader is, and grow", async () => {
  const { watch } = await node(db);
  const { worker, jobs } = await working(db, 1);
  await tell(db, jobs[0]!, 1, 3);
  await end(db, worker, jobs);
  const places = (await allEvents(await watch(jobs[0]!.id))).map(({ id }) => placeOf(id)!);
  expect(places.map(({ step }) => step)).toEqual([0, 1, 2, 3, STEP.ended]);
});
