import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { changeJob } from "../../src/queue/change.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, registered, take } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { problemOf, request, SOME_ID, testApp } from "./client.ts";

const db = await testDatabase();
const { app } = testApp({ db });

beforeEach(() => clear(db));

const read = (id: string, tags?: string, method = "GET", query = "") =>
  request(
    app,
    method,
    `/api/jobs/${id}${query}`,
    tags === undefined ? {} : { headers: { "if-none-match": tags } },
  );

async function tagOf(id: string): Promise<string> {
  const response = await read(id);
  expect(response.status).toBe(200);
  const tag = response.headers.get("etag")!;
  expect(tag).toMatch(/^"[\w-]{43}"$/);
  return tag;
}

async function oneJob(): Promise<string> {
  const [job] = await insertNew(db, 1);
  return job!.id;
}

describe("the tag of a job", () => {
  test("stays while nothing happens to it, and changes with everything that does", async () => {
    const id = await oneJob();
    const tags = [await tagOf(id)];
    const step = async (happen: () => Promise<unknown>) => {
      await happen();
      const tag = await tagOf(id);
      expect(tags).not.toContain(tag);
      tags.push(tag);
      expect(await tagOf(id)).toBe(tag);
    };
    const worker = await registered(db);
    await step(() => changeJob(db, id, { priority: 1 }));
    await step(async () => {
      const taken = await take(db, worker, 1);
      expect(await tagOf(id)).not.toBe(tags.at(-1)!);
      await end(db, worker, taken, { outcome: "failed", failures: 1, retryAfterMs: 60_000 });
    });
    await step(() => cancelJob(db, id));
  });

  test("differs from job to job", async () => {
    expect(await tagOf(await oneJob())).not.toBe(await tagOf(await oneJob()));
  });
});

describe("a client that has seen the job", () => {
  const seen: [name: string, of: (tag: string) => string][] = [
    ["with its tag", (tag) => tag],
    ["with its tag among others", (tag) => `"a", ${tag} ,"b"`],
    ["without blanks", (tag) => `"a",${tag},W/"b"`],
    ["through a proxy that made the tag weak", (tag) => `W/${tag}`],
    ["in any form", () => "*"],
  ];

  test.each(seen)("%s is told that nothing has changed", async (_, of) => {
    const id = await oneJob();
    const tag = await tagOf(id);
    for (const method of ["GET", "HEAD"]) {
      const response = await read(id, of(tag), method);
      expect(response.status).toBe(304);
      expect(response.headers.get("etag")).toBe(tag);
      expect(response.headers.get("x-request-id")).not.toBeEmpty();
      expect(await response.text()).toBe("");
    }
  });

  const unseen: [name: string, of: (tag: string) => string][] = [
    ["another tag", () => '"another"'],
    ["no tag", () => ""],
    ["its tag without quotes", (tag) => tag.slice(1, -1)],
    ["a part of its tag", (tag) => `${tag.slice(0, -2)}"`],
  ];

  test.each(unseen)("with %s gets the job", async (_, of) => {
    const id = await oneJob();
    const response = await read(id, of(await tagOf(id)));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ job_id: id });
  });

  test("gets the job once it has changed", async () => {
    const id = await oneJob();
    const tag = await tagOf(id);
    await cancelJob(db, id);
    expect((await read(id, tag)).status).toBe(200);
    expect((await read(id, await tagOf(id))).status).toBe(304);
  });

  test("and waits is told after the wait whether it has changed", async () => {
    const id = await oneJob();
    const tag = await tagOf(id);
    expect((await read(id, tag, "GET", "?wait=1")).status).toBe(304);
    await cancelJob(db, id);
    expect((await read(id, tag, "GET", "?wait=1")).status).toBe(200);
  });

  test("is told when it is gone, or never was", async () => {
    await problemOf(await read(SOME_ID, "*"), 404);
    await problemOf(await read(SOME_ID, '"a"'), 404);
  });
});
