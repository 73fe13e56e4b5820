import { expect, onTestFinished } from "bun:test";
import type { AnyElysia } from "elysia";
import type { Database } from "../../src/db/connect.ts";
import type { AppParts } from "../../src/http/app.ts";
import type { TakeSourcesParts } from "../../src/http/take_sources.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { JSON_TYPE, newTakers, request } from "./client.ts";
import { type Headers, keyedApp } from "./keyed.ts";

/** A job as the API hands it out. */
export interface Taken {
  lease_id: string;
  job_id: string;
  attempt: number;
  kind: string;
  queue: string;
  priority: number;
  user_id: string;
  resource_id: string;
  max_retries: number;
  timeout_ms: number;
  deadline_at: string;
  payload: unknown;
}

export interface TakeAnswer {
  worker_id: string;
  ttl_ms: number;
  jobs: Taken[];
}

export const post = (app: AnyElysia, path: string, body?: unknown, init: RequestInit = {}) =>
  request(app, "POST", path, {
    ...init,
    headers: { ...(body !== undefined && JSON_TYPE), ...(init.headers as Headers) },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });

export const WORKER = { name: "host/1" };

/** One node that hands out jobs; its long polls end with the test. */
export async function pullApp(
  db: Database,
  changes: Partial<TakeSourcesParts> = {},
  parts: Partial<AppParts> = {},
) {
  const takers = newTakers(db, changes);
  await takers.start();
  onTestFinished(() => takers.stop());
  const woken: string[] = [];
  const wake = (queues: Iterable<string>) => {
    for (const queue of queues) {
      woken.push(queue);
      takers.wake(queue);
    }
  };
  const { app, told } = keyedApp(
    db,
    {},
    { takers, inserter: inserter({ db, onWaiting: wake }), onWork: wake, ...parts },
  );

  async function take(changes: Record<string, unknown> = {}, init: RequestInit = {}): Promise<TakeAnswer> {
    const response = await post(app, "/api/take", { kinds: ["ai_agent"], worker: WORKER, ...changes }, init);
    expect(response.status).toBe(200);
    return (await response.json()) as TakeAnswer;
  }

  return {
    app,
    told,
    takers,
    woken,
    take,
    /** Takes the one job that there is. */
    async takeOne(changes: Record<string, unknown> = {}): Promise<Taken> {
      const { jobs } = await take(changes);
      expect(jobs).toHaveLength(1);
      return jobs[0]!;
    },
    lease: (job: Pick<Taken, "lease_id">, action: string, body?: unknown, init: RequestInit = {}) =>
      post(app, `/api/leases/${job.lease_id}/${action}`, body, init),
  };
}
