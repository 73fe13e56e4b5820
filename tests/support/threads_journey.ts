import { expect, test } from "bun:test";
import { api, jobBody } from "./api.ts";
import type { TestDatabase } from "./database.ts";
import { folderWith } from "./folder.ts";
import type { Service } from "./service.ts";
import { threadFile } from "./threads.ts";
import { until } from "./until.ts";

export interface ThreadsJourney {
  db: TestDatabase;
  /** Starts a service on that database, which ends with the test. */
  start(args: string[]): Promise<Service>;
}

const HANDLERS = {
  "spin.ts": threadFile("spin", "context.log('spins'); while (true) {}", "maxAttempts: 1,"),
  "deaf.ts": threadFile("deaf", "await new Promise(() => {});", "maxAttempts: 1,"),
  "quit.ts": threadFile("quit", "if (context.attempt === 1) process.exit(1); return 'second try';"),
  "quick.ts": threadFile("quick", "context.progress(50); return { main: Bun.isMainThread, to: payload.to };"),
};

/** Handlers in threads that hang, spin and die, in one service with others that do not. */
export function threadsJourney({ db, start }: ThreadsJourney) {
  async function started(...args: string[]) {
    const folder = await folderWith(HANDLERS);
    const service = await start(["--port=0", `--handlers=${folder}`, ...args]);
    const client = api(service.url);
    const create = (kind: string, changes = {}) =>
      client.create(
        jobBody({ resource_type: kind, payload: { to: "you" }, max_retries: undefined, ...changes }),
      );
    return { service, client, create };
  }

  test("loses nothing but the job whose handler spins: others finish, and it stays ready", async () => {
    const { service, client, create } = await started();
    const stuck = await create("spin", { timeout_ms: 2_000 });
    await client.reached(stuck, "running");
    const quick = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        create(n % 2 ? "quick" : "ai_agent", {
          ...(n % 2 === 0 && { payload: { simulate: { duration_ms: 20 } } }),
        }),
      ),
    );
    const answers: number[] = [];
    const completed = await until("the others to be completed", async () => {
      answers.push((await client.get("/readyz")).status);
      const jobs = await Promise.all(quick.map(client.job));
      return jobs.every(({ state }) => state === "completed") && jobs;
    });
    expect(completed.map(({ attempts }) => attempts.length)).toEqual(Array(20).fill(1));
    expect(completed[1]!.result).toEqual({ main: false, to: "you" });
    const { attempts } = await client.reached(stuck, "failed");
    expect(attempts).toMatchObject([
      { outcome: "failed", error: { name: "TimeoutError", reason: "timed_out" } },
    ]);
    await service.logged(
      "handler.terminated",
      ({ job_id, reason }) => job_id === stuck && reason === "timed_out",
    );
    expect(answers.filter((status) => status !== 200)).toEqual([]);
    expect(await client.reached(await create("quick"), "completed")).toMatchObject({ result: { to: "you" } });
    const metrics = await (await client.get("/metrics")).text();
    expect(metrics).toContain("\njobsvc_handler_threads_terminated_total 1\n");
  });

  test("ends a handler that ignores its signal at its deadline, and one that ends its thread by itself", async () => {
    const { service, client, create } = await started();
    const [deaf, quit] = await Promise.all([create("deaf", { timeout_ms: 1_000 }), create("quit")]);
    const { attempts } = await client.reached(deaf, "failed");
    const [{ started_at, finished_at, error }] = attempts as [(typeof attempts)[0] & object];
    expect(error).toMatchObject({ reason: "timed_out" });
    expect(Date.parse(finished_at!) - Date.parse(started_at!)).toBeWithin(990, 10_000);
    await service.logged("handler.terminated", ({ job_id }) => job_id === deaf);
    expect(await client.reached(quit, "completed")).toMatchObject({
      result: "second try",
      attempts: [{ error: { name: "ThreadError" } }, { outcome: "completed" }],
    });
  });

  test("stops in order while a handler spins, and gives the job back", async () => {
    const { service, client, create } = await started("--grace-ms=200");
    const stuck = await create("spin");
    await client.reached(stuck, "running");
    await until("it to spin", async () => {
      const lines = await db.sql`select from jobsvc.events where job_id = ${stuck}`;
      return lines.length === 1;
    });
    service.signal("SIGTERM");
    expect(await service.ended).toBe(0);
    const rows = await db.sql`select outcome from jobsvc.attempts where job_id = ${stuck}`;
    expect(rows.map(({ outcome }) => outcome)).toEqual(["released"]);
    expect(service.log().map(({ event }) => event)).toContain("handler.terminated");
    await db.sql`delete from jobsvc.ready`;
  });
}
