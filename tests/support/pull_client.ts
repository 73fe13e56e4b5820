import { expect } from "bun:test";
import type { Taken } from "../http/pulling.ts";
import { api } from "./api.ts";
import { until } from "./until.ts";

/** A worker over HTTP at one node, as a program in any language would be one. */
export function pullClient(url: string, wish: Record<string, unknown> = {}) {
  const { post } = api(url);
  const worker: { id?: string; name: string } = { name: "journey" };

  async function take(changes: Record<string, unknown> = {}): Promise<Taken[]> {
    const response = await post("/api/take", { kinds: ["scan"], worker, ...wish, ...changes });
    expect(response.status).toBe(200);
    const { worker_id, jobs } = (await response.json()) as { worker_id: string; jobs: Taken[] };
    worker.id = worker_id;
    return jobs;
  }

  async function takeOne(changes: Record<string, unknown> = {}): Promise<Taken> {
    const [job] = await until("a job to take", async () => {
      const jobs = await take({ wait: 20, ...changes });
      return jobs.length > 0 && jobs;
    });
    return job!;
  }

  return {
    take,
    takeOne,
    call: ({ lease_id }: Taken, action: string, body?: unknown) =>
      post(`/api/leases/${lease_id}/${action}`, body),
    /** Why a call about the job is refused. */
    async staleReason({ lease_id }: Taken, action = "beat", body?: unknown): Promise<string | undefined> {
      const response = await post(`/api/leases/${lease_id}/${action}`, body);
      const answer = response.status === 204 ? {} : ((await response.json()) as { reason?: string });
      expect(response.status).toBe(answer.reason === undefined ? response.status : 409);
      return answer.reason;
    },
  };
}
