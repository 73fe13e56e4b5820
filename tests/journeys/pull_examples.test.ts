import { afterAll, beforeEach, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKey } from "../../src/access/keys.ts";
import { api, type Job, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { exampleIn } from "../support/readme.ts";
import { startService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const ADMIN = "key-of-whoever-creates-jobs";
// No process of ours works: all workers come over HTTP.
const service = await startService({
  args: ["--port=0", "--role=api", "--worker-ttl-ms=1000"],
  env: { DATABASE_URL, JOBSVC_API_KEYS: ADMIN },
  lives: "file",
});
const client = api(service.url, { authorization: `Bearer ${ADMIN}` });
const folder = await mkdtemp(join(tmpdir(), "jobsvc-examples-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(() => clear(db));

const BASH = exampleIn("bash", "In bash");
const PYTHON = exampleIn("python", "In Python");
/** The line that a reader replaces. */
const WORK = "work() { exec wc -w; }\n";

/** Runs a program as its user would, with a key that may do just that. */
async function start(command: string, text: string, kind: string) {
  const path = join(folder, `${crypto.randomUUID()}`);
  await Bun.write(path, text);
  const limits = { queues: ["default"], kinds: [kind] };
  const key = await createKey(db, {
    name: "example",
    scopes: ["jobs:work"],
    userId: null,
    takes: limits,
    expires: null,
  });
  // A group of its own: what it has started must not go on taking jobs after it was killed.
  const child = spawn(command, [path], {
    env: { PATH: process.env.PATH, JOBSVC_URL: service.url, JOBSVC_KEY: key!.text },
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  const exited = once(child, "exit").then(([code]) => code as number);
  const kill = () => process.kill(-child.pid!, "SIGKILL");
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) kill();
    await exited;
  });
  return { exited, kill, stop: () => child.kill("SIGTERM") };
}

const bash = (work = WORK) => {
  expect(BASH).toContain(WORK);
  return start(
    "bash",
    BASH.replace(WORK, () => work),
    "count_words",
  );
};
const python = () => start("python3", PYTHON, "scan");

const create = (kind: string, payload: unknown, changes = {}) =>
  client.create(jobBody({ resource_type: kind, payload: JSON.stringify(payload), priority: 5, ...changes }));

const outcomesOf = ({ attempts }: Job) => attempts.map(({ outcome }) => outcome);
const waitAfter = ({ finished_at, retry_at }: Job["attempts"][number]) =>
  Date.parse(retry_at!) - Date.parse(finished_at!);

describe("the worker in bash", () => {
  test("counts words, one job after the other", async () => {
    await bash();
    const texts = ["the quick brown fox", 'a "quoted" \\ word\nand },"payload":{} a line', ""];
    const ids = await Promise.all(texts.map((text) => create("count_words", text)));
    const results = [];
    for (const id of ids) results.push((await client.reached(id, "completed")).result);
    // Of the payload as it stands: JSON, in which a line break is no white space.
    expect(results).toEqual([4, 7, 1]);
    const { workers } = (await (await client.get("/api/workers")).json()) as { workers: { role: string }[] };
    expect(workers).toMatchObject([
      { role: "pull", name: expect.stringMatching(/\/\d+$/), kinds: ["count_words"] },
    ]);
  });

  test("tells why it failed", async () => {
    await bash("work() { echo 'no \"luck\" \\' >&2; return 3; }\n");
    const id = await create("count_words", "x", { max_retries: 0 });
    const { attempts } = await client.reached(id, "failed");
    expect(attempts[0]!.error).toEqual({ name: "exit code 3", message: 'no "luck" \\' });
  });

  test("tries again later", async () => {
    await bash("work() { return 75; }\n");
    const id = await create("count_words", "x");
    const { attempts } = await client.reached(id, "retryable");
    expect(waitAfter(attempts[0]!)).toBe(10_000);
  });

  test("fails a job whose result is none", async () => {
    await bash("work() { echo no JSON; }\n");
    const id = await create("count_words", "x", { max_retries: 0 });
    const { attempts } = await client.reached(id, "failed");
    expect(attempts[0]!.error).toMatchObject({ name: "exit code 0" });
  });

  test("stops working on a job that is cancelled, and takes the next", async () => {
    const mark = join(folder, crypto.randomUUID());
    await bash(
      `work() { read -r text; [[ $text == *long* ]] && { echo $BASHPID >${mark}; exec sleep 600; }; echo 1; }\n`,
    );
    const id = await create("count_words", "long");
    await client.reached(id, "running");
    const next = await create("count_words", "short");
    const pid = await until(
      "it to work",
      async () =>
        Number(
          await Bun.file(mark)
            .text()
            .catch(() => ""),
        ) || undefined,
    );
    expect((await client.post(`/api/jobs/${id}/cancel`)).status).toBe(200);
    await client.reached(next, "completed");
    expect(() => process.kill(pid, 0)).toThrow();
    expect(outcomesOf(await client.job(id))).toEqual(["cancelled"]);
  });

  test("gives its job back when it is told to stop", async () => {
    const worker = await bash("work() { exec sleep 600; }\n");
    const id = await create("count_words", "x", { max_retries: 0 });
    await client.reached(id, "running");
    worker.stop();
    expect(await worker.exited).toBe(0);
    expect(await client.job(id)).toMatchObject({ state: "available", attempts: [{ outcome: "released" }] });
    await bash();
    await client.reached(id, "completed");
  });
});

describe("the worker in Python", () => {
  test("tells how far it is, and what came of it", async () => {
    await python();
    const id = await create("scan", { pages: 3 });
    expect(await client.reached(id, "completed")).toMatchObject({ result: { scanned: 3 } });
    const stream = await (await client.get(`/api/jobs/${id}/events`)).text();
    expect([...stream.matchAll(/"message":"(page \d)"/g)].map(([, page]) => page)).toEqual([
      "page 1",
      "page 2",
      "page 3",
    ]);
  });

  test("says when trying again is useless, and when it will help", async () => {
    await python();
    const [useless, later] = [await create("scan", {}), await create("scan", { pages: 1, busy: 2 })];
    const failed = await client.reached(useless, "failed");
    expect(failed.attempts).toMatchObject([
      {
        outcome: "failed",
        error: { name: "Useless", message: "which pages?", stack: expect.stringContaining("in work") },
      },
    ]);
    const done = await client.reached(later, "completed");
    expect(outcomesOf(done)).toEqual(["failed", "failed", "completed"]);
    expect(waitAfter(done.attempts[0]!)).toBe(500);
  });

  test("keeps a job for longer than its time to live", async () => {
    await python();
    const id = await create("scan", { pages: 50 }); // ten seconds, of which it may be silent for six
    expect(outcomesOf(await client.reached(id, "completed"))).toEqual(["completed"]);
  });

  test("stops working on a job that is cancelled, and takes the next", async () => {
    await python();
    const id = await create("scan", { pages: 3_000 });
    await client.reached(id, "running");
    const next = await create("scan", { pages: 1 });
    expect((await client.post(`/api/jobs/${id}/cancel`)).status).toBe(200);
    await client.reached(next, "completed");
    expect(outcomesOf(await client.job(id))).toEqual(["cancelled"]);
  });

  test("gives its job back when it is told to stop, at once", async () => {
    const worker = await python();
    const id = await create("scan", { pages: 3_000 }, { max_retries: 0 });
    await client.reached(id, "running");
    worker.stop();
    expect(await worker.exited).toBe(0);
    expect(await client.job(id)).toMatchObject({ state: "available", attempts: [{ outcome: "released" }] });
  });

  test("loses its job when it is killed, and another one gets it", async () => {
    const killed = await python();
    const id = await create("scan", { pages: 3_000 });
    await client.reached(id, "running");
    killed.kill();
    await python();
    const job = await until("the second try", async () => {
      const job = await client.job(id);
      return job.attempts.length === 2 && job.state === "running" && job;
    });
    expect(outcomesOf(job)).toEqual(["lost", null]);
  });
});
