import { beforeEach, describe, expect, onTestFinished, test } from "bun:test";
import { eventStreams } from "../../src/http/event_streams.ts";
import { STEP } from "../../src/job/event.ts";
import { reportLines } from "../../src/queue/report.ts";
import { testDatabase } from "../support/database.ts";
import { recorder } from "../support/events.ts";
import { working } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { line } from "../support/lines.ts";
import { blocksOf, brief, eventsOf, next } from "../support/sse.ts";
import { until } from "../support/until.ts";
import { problemOf, testParts } from "./client.ts";
import { keyedApp, newKey } from "./keyed.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("a stream", () => {
  /** A stream whose time a test tells. */
  async function timed(isAllowed = async () => true) {
    let now = 0;
    const streams = eventStreams({ db, emit: recorder().emit, now: () => now });
    await streams.start();
    onTestFinished(() => streams.stop());
    const { jobs } = await working(db, 1);
    const reader = { jobId: jobs[0]!.id, userId: null, attempt: 0, step: STEP.ended };
    const body = await streams.open(reader, isAllowed);
    const pass = (ms: number) => {
      now += ms;
    };
    return { streams, body: body!, pass };
  }

  test("says how to come back, and that it is alive when there is nothing else to say", async () => {
    const { body, pass } = await timed();
    const blocks = blocksOf(new Response(body));
    expect((await blocks.next()).value).toBe("retry: 2000");
    expect((await blocks.next()).value).toStartWith("id: 1.0\nevent: state\n");
    for (let beat = 0; beat < 3; beat++) {
      pass(15_001);
      expect((await blocks.next()).value).toBe(":");
    }
  });

  test("ends when its client takes nothing for a minute", async () => {
    const { streams, body, pass } = await timed();
    const { jobs } = await working(db, 1);
    const reader = { jobId: jobs[0]!.id, userId: null, attempt: 0, step: STEP.ended };
    const data = JSON.stringify({ chunk: "x".repeat(60_000) });
    await reportLines(
      db,
      [1, 2, 3].map((seq) => line(jobs[0]!, seq, { data })),
    );
    const stuck = (await streams.open(reader, async () => true))!;
    pass(60_001);
    await until("the stuck one to be broken off", () => streams.size === 1);
    await expect(new Response(stuck).text()).rejects.toThrow("took nothing");
    await body.cancel();
  });

  test("ends when its reader may not have it any more, without its neighbours", async () => {
    let allowed = true;
    const { streams, body, pass } = await timed(async () => allowed);
    const { jobs } = await working(db, 1);
    const reader = { jobId: jobs[0]!.id, userId: null, attempt: 0, step: STEP.ended };
    const other = (await streams.open(reader, async () => true))!;
    allowed = false;
    pass(15_001);
    expect(await new Response(body).text()).toContain("event: state");
    expect(streams.size).toBe(1);
    await other.cancel();
  });

  test("that finds no room is refused with a time to come back, and room comes with those who leave", async () => {
    const { streams, body } = await timed();
    const { jobs } = await working(db, 1);
    const reader = { jobId: jobs[0]!.id, userId: null, attempt: 0, step: STEP.ended };
    const open = () => streams.open(reader, async () => true);
    const others = await Promise.all(Array.from({ length: 999 }, open));
    const { parts } = testParts();
    const { app } = keyedApp(db, {}, { ...parts, db, streams, access: parts.access });
    const path = `http://localhost/api/jobs/${jobs[0]!.id}/events`;
    const refused = await app.handle(new Request(path));
    expect(refused.headers.get("retry-after")).toBe("5");
    await problemOf(refused, 503);
    await others[0]!.cancel();
    expect((await app.handle(new Request(path))).status).toBe(200);
    await streams.stop();
    await problemOf(await app.handle(new Request(path)), 503);
    await body.cancel();
  });

  test("of a key that is revoked ends", async () => {
    let now = 0;
    const streams = eventStreams({ db, emit: recorder().emit, now: () => now });
    await streams.start();
    onTestFinished(() => streams.stop());
    const { app } = keyedApp(db, {}, { streams });
    const { jobs } = await working(db, 1);
    const { id, headers } = await newKey(db, { scopes: ["jobs:read"] });
    const response = await app.handle(
      new Request(`http://localhost/api/jobs/${jobs[0]!.id}/events`, { headers }),
    );
    const events = eventsOf(response);
    expect(brief(await next(events))).toBe("1 state running");
    await db.sql`update jobsvc.api_keys set revoked_at = now() where id = ${id}`;
    now += 15_001;
    expect((await events.next()).done).toBe(true);
  });
});
