import { beforeEach, describe, expect, test } from "bun:test";
import { eventStreams } from "../../src/http/event_streams.ts";
import { MAX_LINE_BYTES } from "../../src/job/line_data.ts";
import { MAX_RESULT_BYTES } from "../../src/job/outcome.ts";
import { STALE_REASONS } from "../../src/job/stale.ts";
import { timekeeper } from "../../src/maintenance/timekeeper.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { deleteJob } from "../../src/queue/delete.ts";
import { insertJobs } from "../../src/queue/insert.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew, newJob, passTime } from "../support/factory.ts";
import { blocks, clear, endings, everything, leases, outcomes, stateOf } from "../support/facts.ts";
import { linesOf } from "../support/lines.ts";
import { pointersOf, problemOf, request } from "./client.ts";
import { newKey } from "./keyed.ts";
import { post, pullApp, type Taken } from "./pulling.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const LIMITS = { maxLosses: 3, limit: 100 };

/** A node, and a job that somebody took from it. */
async function holding(
  changes: Parameters<typeof newJob>[0] = {},
  parts: Parameters<typeof pullApp>[2] = {},
) {
  const node = await pullApp(db, {}, parts);
  await insertJobs(db, [newJob(changes)]);
  return { ...node, job: await node.takeOne() };
}

/** Every call that can be made about a lease, with a body that is right. */
const CALLS: [action: string, body: unknown][] = [
  ["beat", undefined],
  ["progress", { percent: 50 }],
  ["log", { message: "a line" }],
  ["output", { chunk: "a" }],
  ["end", { outcome: "completed" }],
];

const bodyOf = async (response: Response, status = 200) => {
  expect(response.status).toBe(status);
  return (await response.json()) as Record<string, unknown>;
};

describe("a beat", () => {
  test("keeps the job, and answers until when", async () => {
    const { job, lease } = await holding();
    await passTime(db, 20_000);
    const { expires_at, deadline_at } = await bodyOf(await lease(job, "beat"));
    expect(Date.parse(expires_at as string) - Date.now()).toBeWithin(28_000, 31_000);
    expect(Date.parse(deadline_at as string)).toBe(Date.parse(job.deadline_at) - 20_000);
    await passTime(db, 20_000);
    expect(await rescueJobs(db, LIMITS)).toMatchObject({ lost: 0 });
    await passTime(db, 10_001);
    expect(await rescueJobs(db, LIMITS)).toMatchObject({ lost: 1 });
  });

  test("needs no body and does not mind one", async () => {
    const { job, lease } = await holding();
    await bodyOf(await lease(job, "beat"));
    await bodyOf(await lease(job, "beat", {}));
  });
});

describe("what a worker tells", () => {
  test("is kept in its order, to the byte, and on one line", async () => {
    const { job, lease } = await holding();
    const told: [action: string, body: unknown][] = [
      ["progress", { percent: 12.5, message: "page 1\nof 8 \u0000" }],
      ["progress", { percent: 100 }],
      [
        "log",
        '{"message": "slow", "fields":\n  {"n": 1e400,\r\n "n": 12345678901234567890, "s": "\\ud800"}\n}',
      ],
      ["log", { message: "" }],
      ["output", '{"chunk": {"a":\n[1e400]}}'],
      ["output", { chunk: null }],
    ];
    for (const [action, body] of told) expect((await lease(job, action, body)).status).toBe(204);
    expect((await linesOf(db, job.job_id)).map(({ type, data }) => [type, data])).toEqual([
      ["progress", '{"percent":12.5,"message":"page 1\\nof 8 \\u0000"}'],
      ["progress", '{"percent":100}'],
      [
        "log",
        String.raw`{"message":"slow","fields":{"n": 1e400,   "n": 12345678901234567890, "s": "\ud800"}}`,
      ],
      ["log", '{"message":""}'],
      ["output", '{"chunk":{"a": [1e400]}}'],
      ["output", '{"chunk":null}'],
    ]);
  });

  test("is a sign of life as well", async () => {
    for (const [action, body] of CALLS.slice(1, 4)) {
      const { job, lease } = await holding();
      await passTime(db, 20_000);
      expect((await lease(job, action, body)).status).toBe(204);
      await passTime(db, 20_000);
      expect(await rescueJobs(db, LIMITS)).toMatchObject({ lost: 0 });
      await clear(db);
    }
  });

  test("wakes those who watch", async () => {
    let woken = 0;
    const streams = { ...eventStreams({ db, emit: () => {} }), wake: () => void woken++ };
    const { job, lease } = await holding({}, { streams });
    await lease(job, "log", { message: "x" });
    expect(woken).toBe(1);
  });

  test.each<[action: string, body: unknown, pointers: string[]]>([
    ["progress", {}, ["/percent"]],
    ["progress", { percent: -1 }, ["/percent"]],
    ["progress", { percent: 101 }, ["/percent"]],
    ["progress", { percent: "50" }, ["/percent"]],
    ["progress", { percent: 1, message: 1, more: 1 }, ["/message", "/more"]],
    ["log", {}, ["/message"]],
    ["log", { message: null }, ["/message"]],
    ["log", { message: "", fields: [] }, ["/fields"]],
    ["log", { message: "", fields: "x" }, ["/fields"]],
    ["output", {}, ["/chunk"]],
    ["output", { chunk: 1, more: 1 }, ["/more"]],
    ["output", "[]", [""]],
  ])("as %s is checked: %j", async (action, body, pointers) => {
    const { job, lease } = await holding();
    const before = await everything(db);
    expect(pointersOf(await problemOf(await lease(job, action, body), 422)).sort()).toEqual(pointers);
    expect(await everything(db)).toEqual(before);
    expect(await linesOf(db, job.job_id)).toEqual([]);
  });

  test("may be 64 KiB at once, and no more", async () => {
    const { job, lease } = await holding();
    const chunk = (bytes: number) => ({ chunk: "x".repeat(bytes - '{"chunk":""}'.length) });
    expect((await lease(job, "output", chunk(MAX_LINE_BYTES))).status).toBe(204);
    for (const bytes of [MAX_LINE_BYTES + 1, 5 * MAX_LINE_BYTES])
      await problemOf(await lease(job, "output", chunk(bytes)), 413);
    await problemOf(await lease(job, "log", { message: "é".repeat(MAX_LINE_BYTES / 2) }), 413);
    expect(await linesOf(db, job.job_id)).toHaveLength(1);
  });

  test("comes to an end, which does not end the job", async () => {
    const { job, lease } = await holding();
    await db.sql`insert into jobsvc.events (job_id, attempt, seq, type, data)
      values (${job.job_id}, 1, 20000, 'log', '{"message":""}')`;
    await problemOf(await lease(job, "log", { message: "one too many" }), 413);
    await bodyOf(await lease(job, "end", { outcome: "completed" }));
  });
});

describe("the end", () => {
  test("completed: the result is kept to the byte, and the job is done", async () => {
    const { job, lease, told } = await holding();
    const end = '{"result": {"n": 1e400,\n "n": 12345678901234567890} , "outcome":"completed"}';
    expect(await bodyOf(await lease(job, "end", end))).toEqual({
      job_id: job.job_id,
      attempt: 1,
      outcome: "completed",
      retry_in_ms: null,
    });
    expect(await endings(db, job.job_id)).toMatchObject([
      { outcome: "completed", result: '{"n": 1e400,\n "n": 12345678901234567890}', error: null },
    ]);
    expect(await leases(db)).toEqual([]);
    expect(told.filter(({ name }) => name === "job.reported")).toMatchObject([
      {
        fields: { job_id: job.job_id, kind: "ai_agent", queue: "default", attempt: 1, outcome: "completed" },
      },
    ]);
  });

  test.each([
    ["no result", '{"outcome":"completed"}', null],
    ["null", '{"outcome":"completed","result":null}', "null"],
    ["a text", '{"result":"done","outcome":"completed"}', '"done"'],
    ["false", '{"outcome":"completed","result":false}', "false"],
  ])("completed with %s", async (_, body, result) => {
    const { job, lease } = await holding();
    await bodyOf(await lease(job, "end", body));
    expect((await endings(db, job.job_id))[0]!.result).toBe(result);
  });

  test("failed: tried again by the curve, with the error as it was told and no stack of ours", async () => {
    const { job, lease } = await holding();
    const end = { outcome: "failed", error: { message: "no answer\u0000" } };
    const { retry_in_ms } = await bodyOf(await lease(job, "end", end));
    expect(retry_in_ms).toBeWithin(900, 1_101);
    const [ending] = await endings(db, job.job_id);
    expect(ending!.error).toEqual({ name: "Error", message: "no answer" });
    expect(ending!.retryAt!.getTime() - ending!.finishedAt.getTime()).toBeWithin(890, 1_110);
    expect(await blocks(db)).toMatchObject([{ attempt: 2, failures: 1, jobIds: [job.job_id] }]);
  });

  test("failed with a name and a stack, which are cut where they are long", async () => {
    const { job, lease } = await holding();
    const error = { name: "ValueError", message: "m".repeat(9_000), stack: "s".repeat(20_000) };
    await bodyOf(await lease(job, "end", { outcome: "failed", error }));
    const [ending] = await endings(db, job.job_id);
    expect(ending!.error).toEqual({
      name: "ValueError",
      message: `${"m".repeat(8_192)}… (9000 characters)`,
      stack: `${"s".repeat(16_384)}… (20000 characters)`,
    });
  });

  test("failed with advice: when to try again, or that it is useless", async () => {
    const failed = { outcome: "failed", error: { message: "no" } };
    for (const [advice, expected] of [
      [{ retry_after_ms: 60_000 }, 60_000],
      [{ retry: true, retry_after_ms: 0 }, 0],
      [{ retry: false }, null],
    ] as const) {
      const { job, lease } = await holding();
      const answer = await bodyOf(await lease(job, "end", { ...failed, ...advice }));
      expect(answer.retry_in_ms).toBe(expected);
      expect(await stateOf(db, job.job_id)).toBe(
        expected === null ? "failed" : expected === 0 ? "available" : "retryable",
      );
      await clear(db);
    }
  });

  test("failed as often as it may: no advice helps", async () => {
    const { job, lease } = await holding({ maxAttempts: 1 });
    const end = { outcome: "failed", error: { message: "no" }, retry_after_ms: 1 };
    expect(await bodyOf(await lease(job, "end", end))).toMatchObject({ retry_in_ms: null });
    expect(await stateOf(db, job.job_id)).toBe("failed");
  });

  test("failed: what the kind says of its retries counts where it is known", async () => {
    const asked: unknown[] = [];
    const retryOf = (kind: string) => (failures: number, error: unknown) => {
      asked.push(kind, failures, (error as Error).message);
      return failures > 1 ? false : 5_000;
    };
    const { job, lease, take } = await holding({ maxAttempts: 9 }, { retryOf });
    const end = { outcome: "failed", error: { message: "no" } };
    expect(await bodyOf(await lease(job, "end", end))).toMatchObject({ retry_in_ms: 5_000 });
    await passTime(db, 5_001);
    const { jobs } = await take();
    expect(await bodyOf(await lease(jobs[0]!, "end", end))).toMatchObject({ attempt: 2, retry_in_ms: null });
    expect(asked).toEqual(["ai_agent", 1, "no", "ai_agent", 2, "no"]);
  });

  test("a retry function that throws is told, and the curve decides", async () => {
    const retryOf = () => () => {
      throw new Error("no idea");
    };
    const { job, lease, told } = await holding({}, { retryOf });
    const { retry_in_ms } = await bodyOf(
      await lease(job, "end", { outcome: "failed", error: { message: "" } }),
    );
    expect(retry_in_ms).toBeWithin(900, 1_101);
    expect(told.map(({ name }) => name)).toContain("handler.retry_failed");
  });

  test("snoozed: later, and no try is used up", async () => {
    const { job, lease } = await holding({ maxAttempts: 1 });
    const end = { outcome: "snoozed", delay_ms: 60_000 };
    expect(await bodyOf(await lease(job, "end", end))).toMatchObject({
      outcome: "snoozed",
      retry_in_ms: 60_000,
    });
    expect(await blocks(db)).toMatchObject([{ attempt: 2, failures: 0, losses: 0 }]);
    expect(await stateOf(db, job.job_id)).toBe("retryable");
  });

  test("released: at once elsewhere, and those who wait are told", async () => {
    const { job, lease, take, woken } = await holding({ maxAttempts: 1 });
    const waiting = take({ wait: 60 });
    expect(await bodyOf(await lease(job, "end", { outcome: "released" }))).toMatchObject({ retry_in_ms: 0 });
    expect(woken).toEqual(["default"]);
    expect((await waiting).jobs).toMatchObject([{ job_id: job.job_id, attempt: 2 }]);
    expect(await outcomes(db, job.job_id)).toEqual(["released"]);
  });

  const FAILED = { outcome: "failed", error: { message: "no" } };
  test.each<[body: unknown, pointers: string[]]>([
    [{}, ["/outcome"]],
    [[], ["/outcome"]],
    ["null", ["/outcome"]],
    [{ outcome: "cancelled" }, ["/outcome"]],
    [{ outcome: "constructor" }, ["/outcome"]],
    [{ outcome: ["completed"] }, ["/outcome"]],
    [{ outcome: "completed", error: { message: "" } }, ["/error"]],
    [{ outcome: "failed" }, ["/error"]],
    [{ outcome: "failed", error: {} }, ["/error/message"]],
    [{ outcome: "failed", error: "no" }, ["/error"]],
    [{ ...FAILED, error: { message: 1, reason: "x" } }, ["/error/message", "/error/reason"]],
    [{ ...FAILED, result: 1 }, ["/result"]],
    [{ ...FAILED, retry: "no" }, ["/retry"]],
    [{ ...FAILED, retry_after_ms: -1 }, ["/retry_after_ms"]],
    [{ ...FAILED, retry_after_ms: 366 * 24 * 3_600_000 }, ["/retry_after_ms"]],
    [{ ...FAILED, retry: false, retry_after_ms: 1 }, ["/retry_after_ms"]],
    [{ outcome: "snoozed" }, ["/delay_ms"]],
    [{ outcome: "snoozed", delay_ms: 0.5 }, ["/delay_ms"]],
    [{ outcome: "released", delay_ms: 1 }, ["/delay_ms"]],
  ])("is checked: %j", async (body, pointers) => {
    const { job, lease } = await holding();
    const before = await everything(db);
    expect(pointersOf(await problemOf(await lease(job, "end", body), 422)).sort()).toEqual(pointers);
    expect(await everything(db)).toEqual(before);
  });

  test("a result may have 1 MiB; with a larger one the job is still held, and can fail", async () => {
    const { job, lease } = await holding();
    const result = (bytes: number) => ({ outcome: "completed", result: "x".repeat(bytes - 2) });
    for (const bytes of [MAX_RESULT_BYTES + 1, 2 * MAX_RESULT_BYTES])
      await problemOf(await lease(job, "end", result(bytes)), 413);
    expect(await stateOf(db, job.job_id)).toBe("running");
    await bodyOf(await lease(job, "end", result(MAX_RESULT_BYTES)));
    expect((await endings(db, job.job_id))[0]!.result).toHaveLength(MAX_RESULT_BYTES);
  });

  test("a result must not nest beyond measure", async () => {
    const { job, lease } = await holding();
    const deep = `{"outcome":"completed","result":${"[".repeat(70)}${"]".repeat(70)}}`;
    expect(pointersOf(await problemOf(await lease(job, "end", deep), 422))).toEqual(["/result"]);
  });
});

describe("a job that is not held any more", () => {
  /** What ends the attempt behind the back of whoever holds it. */
  const BEHIND: Record<(typeof STALE_REASONS)[number], (job: Taken) => Promise<unknown>> = {
    cancelled: (job) => cancelJob(db, job.job_id),
    async lost() {
      await passTime(db, 30_001);
      await rescueJobs(db, LIMITS);
    },
    async timed_out() {
      await passTime(db, 29_000);
      await db.sql`update jobsvc.leases set deadline_at = now()`;
      await timekeeper({ db, emit: () => {}, retryOf: () => undefined }).runOnce();
    },
    async finished(job) {
      const { lease } = await pullApp(db);
      await bodyOf(await lease(job, "end", { outcome: "completed" }));
    },
  };

  test.each(
    STALE_REASONS.flatMap((reason) => CALLS.map(([action, body]) => [reason, action, body] as const)),
  )("because it was %s: %s is told so, changes nothing, and lets go", async (reason, action, body) => {
    const { job, lease, told } = await holding();
    await BEHIND[reason](job);
    const before = await endings(db, job.job_id);
    for (const _ of ["once", "twice"]) {
      const problem = await problemOf(await lease(job, action, body), 409);
      expect(problem).toMatchObject({ type: "urn:problem-type:jobsvc:stale", reason });
    }
    expect(await endings(db, job.job_id)).toEqual(before);
    expect(await linesOf(db, job.job_id)).toEqual([]);
    expect(await leases(db)).toEqual([]);
    const late = told.filter(({ name }) => name === "job.ending_lost");
    expect(late).toHaveLength(action === "end" ? 2 : 0);
  });

  test("the next attempt has a lease of its own, and the old one stays stale", async () => {
    const { job, lease } = await holding();
    await BEHIND.lost(job);
    await passTime(db, 1_000);
    const again = await (await pullApp(db)).takeOne();
    expect(again).toMatchObject({ job_id: job.job_id, attempt: 2 });
    await problemOf(await lease(job, "end", { outcome: "completed" }), 409);
    await bodyOf(await lease(again, "end", { outcome: "completed", result: 2 }));
    expect(await outcomes(db, job.job_id)).toEqual(["lost", "completed"]);
    expect(await problemOf(await lease(job, "beat"), 409)).toMatchObject({ reason: "lost" });
    expect(await problemOf(await lease(again, "beat"), 409)).toMatchObject({ reason: "finished" });
  });

  test("by a worker that nobody knows any more is as good as lost, before rescue comes", async () => {
    const { job, lease } = await holding();
    await db.sql`delete from jobsvc.workers`;
    expect(await problemOf(await lease(job, "beat"), 409)).toMatchObject({ reason: "lost" });
  });

  test("and has been deleted is not there", async () => {
    const { job, lease } = await holding();
    await bodyOf(await lease(job, "end", { outcome: "completed" }));
    expect(await deleteJob(db, job.job_id)).toBe("deleted");
    for (const [action, body] of CALLS) await problemOf(await lease(job, action, body), 404);
  });

  test("once cancelled can be deleted after its holder was told", async () => {
    const { job, lease } = await holding();
    await BEHIND.cancelled(job);
    expect(await deleteJob(db, job.job_id)).toBe("held");
    await problemOf(await lease(job, "beat"), 409);
    expect(await deleteJob(db, job.job_id)).toBe("deleted");
  });
});

describe("a lease that never was", () => {
  test.each(CALLS)("%s: 404, whatever its id looks like", async (action, body) => {
    const { app, job } = await holding();
    const before = await everything(db);
    const last = job.lease_id.at(-1) === "B" ? "C" : "B";
    for (const id of [
      "x",
      "A".repeat(48),
      `${job.lease_id.slice(0, -1)}${last}x`,
      job.job_id,
      "%00",
      "A".repeat(49),
    ])
      await problemOf(await post(app, `/api/leases/${id}/${action}`, body), 404);
    const forged = `${"AAAA"}${job.lease_id.slice(4)}`;
    await problemOf(await post(app, `/api/leases/${forged}/${action}`, body), 404);
    expect(await everything(db)).toEqual(before);
  });
});

describe("a key that is limited", () => {
  test.each(CALLS)(
    "%s: acts on leases within its limits, and finds no others, held or not",
    async (action, body) => {
      const { job, lease } = await holding({ queue: "default", kind: "ai_agent" });
      const within = await newKey(db, {
        scopes: ["jobs:work"],
        takes: { queues: ["default"], kinds: ["ai_agent"] },
      });
      const strangers = [
        await newKey(db, { scopes: ["jobs:work"], takes: { queues: ["mail"], kinds: null } }),
        await newKey(db, { scopes: ["jobs:work"], takes: { queues: null, kinds: ["letter"] } }),
      ];
      const before = await everything(db);
      for (const { headers } of strangers) await problemOf(await lease(job, action, body, { headers }), 404);
      expect(await everything(db)).toEqual(before);
      expect((await lease(job, action, body, { headers: within.headers })).status).toBeWithin(200, 205);
      await cancelJob(db, job.job_id);
      await problemOf(await lease(job, action, body, { headers: within.headers }), 409);
      for (const { headers } of strangers) await problemOf(await lease(job, action, body, { headers }), 404);
    },
  );
});

test("a job in the hands of a worker over HTTP is shown as running, by that worker", async () => {
  const { app, job, lease, take } = await holding();
  const read = async () =>
    (await (await request(app, "GET", `/api/jobs/${job.job_id}`)).json()) as Record<string, unknown>;
  expect(await read()).toMatchObject({
    state: "running",
    attempts: [{ attempt: 1, outcome: null, worker_name: "host/1" }],
  });
  const stats = await (await request(app, "GET", "/api/stats")).json();
  expect(stats).toMatchObject({ total: { running: 1 } });
  const [next] = await insertNew(db, 1);
  const why = async () => (await (await request(app, "GET", `/api/jobs/${next!.id}/why`)).json()) as object;
  expect(await why()).toMatchObject({ code: "all_slots_busy" });
  await lease(job, "end", { outcome: "completed", result: 7 });
  expect(await read()).toMatchObject({
    state: "completed",
    result: 7,
    attempts: [{ worker_name: "host/1" }],
  });
  expect(await why()).toMatchObject({ code: "next" });
  expect((await take()).jobs).toHaveLength(1);
});
