import type { Insert } from "../contender.ts";
import { AUTHORIZATION } from "./jobsvc_process.ts";

/** Jobs in one call, and calls at the same time, when many are inserted at once; the same as for the rivals. */
const BULK_JOBS = 5_000;
const BULK_CALLS = 2;
/** With its number a payload of about a hundred bytes, the same for everybody. */
const TEXT = "x".repeat(70);

const USER = "123e4567-e89b-12d3-a456-426614174000";
const RESOURCE = "456e7890-e89b-12d3-a456-426614174001";

export interface Client {
  /** Inserts many at once by several calls, and answers when all are committed. */
  insertAll(insert: Insert): Promise<void>;
  insertBatch(bodies: readonly object[]): Promise<void>;
  create(body: object): Promise<string>;
  setPaused(paused: boolean): Promise<void>;
}

/** What a job looks like to the API. */
export function jobBody(number: number, changes: object = {}): object {
  const payload = { number, text: TEXT };
  return { user_id: USER, resource_type: "noop", resource_id: RESOURCE, payload, ...changes };
}

/** A client of the HTTP API. */
export function client(url: string): Client {
  async function post(path: string, body?: object) {
    const answer = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { authorization: AUTHORIZATION, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`);
    return await answer.json();
  }

  const insertBatch = async (bodies: readonly object[]) => void (await post("/api/jobs/batch", bodies));

  return {
    insertBatch,
    async insertAll({ jobs, dueInMs, jobMs }) {
      const changes = {
        ...(dueInMs !== undefined && { scheduled_at: new Date(Date.now() + dueInMs).toISOString() }),
        ...(jobMs !== undefined && { resource_type: "wait", payload: { ms: jobMs } }),
      };
      let sent = 0;
      async function call() {
        while (sent < jobs) {
          const from = sent;
          sent = Math.min(jobs, from + BULK_JOBS);
          await insertBatch(Array.from({ length: sent - from }, (_, at) => jobBody(from + at, changes)));
        }
      }
      await Promise.all(Array.from({ length: BULK_CALLS }, call));
    },
    async create(body) {
      const { job_id } = (await post("/api/jobs/create", body)) as { job_id: string };
      return job_id;
    },
    setPaused: async (paused) => void (await post(`/api/queues/default/${paused ? "pause" : "resume"}`)),
  };
}
