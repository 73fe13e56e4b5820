import { beforeEach, describe, expect, test } from "bun:test";
import { MAX_ATTEMPT_BYTES, MAX_ATTEMPT_LINES, MAX_LINE_BYTES } from "../../src/job/line_data.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { deleteJob } from "../../src/queue/delete.ts";
import { letGo } from "../../src/queue/end_held.ts";
import { tellHeld } from "../../src/queue/tell_held.ts";
import { testDatabase } from "../support/database.ts";
import { end, take, working } from "../support/factory.ts";
import { blocked, clear } from "../support/facts.ts";
import { linesOf, tell } from "../support/lines.ts";
import { heldOf, lookAt, pulling } from "../support/pulling.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

async function one() {
  const { jobs } = await pulling(db, 1);
  return { job: jobs[0]!, held: heldOf(jobs[0]!) };
}

const chunk = (text: string) => ({ type: "output" as const, data: `{"chunk":"${text}"}` });

describe("what a held job tells", () => {
  test("is kept to the byte, in its order, from number 1 on", async () => {
    const { job, held } = await one();
    const data = String.raw`{ "chunk" : "\u0000 \ud800 é", "n": 12345678901234567890, "n": 1e400 }`;
    expect(await tellHeld(db, held, { type: "log", data: '{"message":"a"}' })).toBe("told");
    expect(await tellHeld(db, held, { type: "progress", data: '{"percent":5}' })).toBe("told");
    expect(await tellHeld(db, held, { type: "output", data })).toBe("told");
    expect(await linesOf(db, job.id)).toEqual([
      { attempt: 1, seq: 1, type: "log", data: '{"message":"a"}' },
      { attempt: 1, seq: 2, type: "progress", data: '{"percent":5}' },
      { attempt: 1, seq: 3, type: "output", data },
    ]);
  });

  test("goes on behind what a process told, and begins anew in the next attempt", async () => {
    const { worker, jobs } = await working(db, 1);
    const [job] = jobs;
    await tell(db, job!, 1, 4);
    await tellHeld(db, { jobId: job!.id, attempt: 1 }, chunk("x"));
    await end(db, worker, jobs, { outcome: "released", retryAfterMs: 0 });
    await take(db, worker, 1);
    await tellHeld(db, { jobId: job!.id, attempt: 2 }, chunk("y"));
    const lines = (await linesOf(db, job!.id)).map(({ attempt, seq }) => `${attempt}.${seq}`);
    expect(lines).toEqual(["1.1", "1.2", "1.3", "1.4", "1.5", "2.1"]);
  });

  test("at once by many is all there, each once, also when all say the same", async () => {
    const { job, held } = await one();
    const texts = Array.from({ length: 40 }, (_, n) => `${n % 2 ? n : "same"}`);
    expect(new Set(await Promise.all(texts.map((text) => tellHeld(db, held, chunk(text)))))).toEqual(
      new Set(["told"]),
    );
    const lines = await linesOf(db, job.id);
    expect(lines.map(({ seq }) => seq)).toEqual(texts.map((_, n) => n + 1));
    expect(lines.map(({ data }) => data).toSorted()).toEqual(
      texts.map((text) => chunk(text).data).toSorted(),
    );
  });

  test("waits for a line that is being committed, and comes after it", async () => {
    const { job, held } = await one();
    await using slow = session(db);
    await slow.sql`begin`;
    await tellHeld(slow, held, chunk("first"));
    const second = tellHeld(db, held, chunk("second"));
    await blocked(db);
    await slow.sql`commit`;
    expect(await second).toBe("told");
    expect((await linesOf(db, job.id)).map(({ data }) => data)).toEqual([
      chunk("first").data,
      chunk("second").data,
    ]);
  });

  test("takes the place of a line that is never committed", async () => {
    const { job, held } = await one();
    await using slow = session(db);
    await slow.sql`begin`;
    await tellHeld(slow, held, chunk("first"));
    const second = tellHeld(db, held, chunk("second"));
    await blocked(db);
    await slow.sql`rollback`;
    expect(await second).toBe("told");
    expect(await linesOf(db, job.id)).toMatchObject([{ seq: 1, data: chunk("second").data }]);
  });

  test("is there once when the statement is sent again after an unknown answer", async () => {
    const { job, held } = await one();
    // As `run` does when the connection broke after the commit.
    const repeating = {
      ...db,
      run: async (statement: never) => [await db.run(statement), await db.run(statement)][1],
    };
    expect(await tellHeld(repeating as never, held, chunk("x"))).toBe("told");
    expect(await linesOf(db, job.id)).toHaveLength(1);
  });

  test("ends with the attempt, and with the job", async () => {
    const { job, held } = await one();
    await cancelJob(db, job.id);
    expect(await tellHeld(db, held, chunk("late"))).toBe("ended");
    await letGo(db, await lookAt(db, job));
    expect(await deleteJob(db, job.id)).toBe("deleted");
    expect(await tellHeld(db, held, chunk("later"))).toBe("ended");
    expect(await linesOf(db, job.id)).toEqual([]);
  });

  test("is full after so many lines", async () => {
    const { job, held } = await one();
    await db.sql`insert into jobsvc.events (job_id, attempt, seq, type, data)
      select ${job.id}, 1, n, 'log', '{"message":""}' from generate_series(1, ${MAX_ATTEMPT_LINES - 1}::int) n`;
    expect(await tellHeld(db, held, chunk("last"))).toBe("told");
    expect(await tellHeld(db, held, chunk("one too many"))).toBe("full");
    expect(await linesOf(db, job.id)).toHaveLength(MAX_ATTEMPT_LINES);
  });

  test("is full after so many bytes", async () => {
    const { job, held } = await one();
    const line = chunk("x".repeat(MAX_LINE_BYTES - 20));
    for (let bytes = 0; bytes < MAX_ATTEMPT_BYTES; bytes += line.data.length)
      expect(await tellHeld(db, held, line)).toBe("told");
    expect(await tellHeld(db, held, chunk("one too many"))).toBe("full");
    expect((await linesOf(db, job.id)).length).toBeGreaterThan(MAX_ATTEMPT_BYTES / MAX_LINE_BYTES - 1);
  });
});
