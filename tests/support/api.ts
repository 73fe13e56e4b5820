import { expect } from "bun:test";
import type { Static } from "@sinclair/typebox";
import type { JobView } from "../../src/http/job_view.ts";
import { until } from "./until.ts";

export type Job = Static<typeof JobView>;

/** The service's reference example, word for word: its body as it stands in the curl. */
export const EXAMPLE =
  '{"user_id":"123e4567-e89b-12d3-a456-426614174000","resource_type":"ai_agent","resource_id":"456e7890-e89b-12d3-a456-426614174001","payload":"{\\"task\\": \\"process_data\\", \\"data\\": \\"example\\"}","priority":1,"scheduled_at":"2024-01-01T12:00:00Z","max_retries":3}';

/** The example with changes; `simulate` says how its handler behaves. */
export function jobBody(changes: Record<string, unknown> = {}, simulate?: Record<string, unknown>) {
  const payload = simulate && { payload: JSON.stringify({ simulate }) };
  const { scheduled_at: _, ...example } = JSON.parse(EXAMPLE);
  return { ...example, ...payload, ...changes };
}

/** One service over HTTP, as a client sees it. */
export function api(url: string, headers: Record<string, string> = {}) {
  const send = (method: string, path: string, body?: unknown) =>
    fetch(`${url}${path}`, {
      method,
      headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });

  const post = (path: string, body?: unknown) => send("POST", path, body);

  const get = (path: string) => fetch(`${url}${path}`, { headers });

  async function create(body: unknown): Promise<string> {
    const response = await post("/api/jobs/create", body);
    expect(response.status).toBe(201);
    const answer = (await response.json()) as { job_id: string };
    expect(answer).toEqual({ job_id: expect.stringMatching(UUID_V7) });
    return answer.job_id;
  }

  async function job(id: string): Promise<Job> {
    const response = await get(`/api/jobs/${id}`);
    expect(response.status).toBe(200);
    return (await response.json()) as Job;
  }

  return {
    get,
    post,
    put: (path: string, body: unknown) => send("PUT", path, body),
    create,
    job,
    cancel: (id: string) => post(`/api/jobs/${id}/cancel`),
    /** Waits until the job is in this state. */
    reached: (id: string, state: Job["state"]) =>
      until(`the job to be ${state}`, async () => {
        const found = await job(id);
        return found.state === state && found;
      }),
  };
}

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
