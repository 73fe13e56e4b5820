import type { components, paths } from "jobsvc-api";
import createClient from "openapi-fetch";

type NewJob = components["schemas"]["NewJob"];
type Job = components["schemas"]["Job"];
type Problem = components["schemas"]["Problem"];

const QUEUE = "typed";
const NEVER = "2199-01-01T00:00:00Z";

const NEW_JOB: NewJob = {
  user_id: "123e4567-e89b-12d3-a456-426614174000",
  resource_type: "client_agent",
  resource_id: "456e7890-e89b-12d3-a456-426614174001",
  payload: { greeting: "héllo", list: [1, null, true] },
  queue: QUEUE,
};
const LATER: NewJob = { ...NEW_JOB, scheduled_at: NEVER, tags: ["later"] };

/** A client as `openapi-fetch` makes it of the document, and nothing else that knows the service. */
export function typedClient(baseUrl: string, key: string) {
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
}

type Client = ReturnType<typeof typedClient>;

/** The answer, which has to be there. */
function told<T>({ data, error, response }: { data?: T; error?: Problem; response: Response }): T {
  if (data === undefined) throw new Error(`${response.status} ${error?.title}: ${error?.detail}`);
  return data;
}

function refused({ error }: { error?: Problem }): Problem {
  if (error === undefined) throw new Error("it was not refused");
  return error;
}

/** Creates, and reads what was created. */
export async function createAndRead(client: Client) {
  const header = { "Idempotency-Key": `"${crypto.randomUUID()}"` };
  const first = await client.POST("/api/jobs/create", { params: { header }, body: NEW_JOB });
  const again = await client.POST("/api/jobs/create", { params: { header }, body: NEW_JOB });
  const { job_id: id } = told(first);

  const job: Job = told(
    await client.GET("/api/jobs/{id}", { params: { path: { id }, query: { wait: 20 } } }),
  );
  const read = await client.GET("/api/jobs/{id}", { params: { path: { id } } });
  const unchanged = await client.GET("/api/jobs/{id}", {
    params: { path: { id }, header: { "If-None-Match": read.response.headers.get("etag") ?? "" } },
  });
  const waited = told(
    await client.POST("/api/jobs", { params: { header: { Prefer: "wait=20" } }, body: NEW_JOB }),
  );
  const stream = await client.GET("/api/jobs/{id}/events", { params: { path: { id } }, parseAs: "text" });
  return {
    id,
    replayedId: told(again).job_id,
    replayed: again.response.headers.get("idempotency-replayed"),
    job,
    unchanged: unchanged.response.status,
    waited: { state: waited.state, outcomes: waited.attempts.map(({ outcome }) => outcome) },
    events: told(stream).match(/^event: \w+/gm),
  };
}

/** Everything that can be done with a job that waits. */
export async function manage(client: Client) {
  const { job_id: id } = told(await client.POST("/api/jobs/create", { body: LATER }));
  const params = { path: { id } };
  const why = told(await client.GET("/api/jobs/{id}/why", { params }));
  const changed = told(await client.PATCH("/api/jobs/{id}", { params, body: { priority: 1 } }));
  const tooEarly = refused(await client.DELETE("/api/jobs/{id}", { params }));
  const cancelled = told(await client.POST("/api/jobs/{id}/cancel", { params }));
  const twice = refused(await client.POST("/api/jobs/{id}/cancel", { params }));
  told(await client.POST("/api/jobs/{id}/retry", { params }));
  const retried = told(await client.GET("/api/jobs/{id}", { params: { ...params, query: { wait: 20 } } }));
  const deleted = await client.DELETE("/api/jobs/{id}", { params });
  return {
    why: why.code,
    priority: changed.priority,
    tooEarly: tooEarly.type,
    cancelled: cancelled.state,
    twice: twice.type,
    retried: retried.state,
    deleted: deleted.response.status,
    gone: (await client.GET("/api/jobs/{id}", { params })).response.status,
  };
}

/** Many jobs: created at once as a list and line by line, listed page by page, and ended together. */
export async function many(client: Client) {
  const list = told(await client.POST("/api/jobs/batch", { body: [LATER, LATER, LATER] }));
  const lines = told(
    await client.POST("/api/jobs/batch", {
      body: [LATER, LATER].map((job) => JSON.stringify(job)).join("\n"),
      bodySerializer: (body) => body,
      headers: { "Content-Type": "application/x-ndjson" },
    }),
  );
  const listed: string[] = [];
  let cursor: string | null = null;
  do {
    const query: NonNullable<paths["/api/jobs"]["get"]["parameters"]["query"]> = {
      queue: QUEUE,
      state: "scheduled",
      tag: "later",
      limit: 2,
      ...(cursor && { cursor }),
    };
    const page: components["schemas"]["JobPage"] = told(await client.GET("/api/jobs", { params: { query } }));
    listed.push(...page.jobs.map(({ job_id }) => job_id));
    cursor = page.next_cursor;
  } while (cursor !== null);

  const filter = { queue: QUEUE, state: "scheduled" } as const;
  const counted = told(await client.POST("/api/jobs/cancel", { body: { filter, dry_run: true } }));
  const cancelled = told(await client.POST("/api/jobs/cancel", { body: { filter } }));
  return { created: [...list.job_ids, ...lines.job_ids], listed, counted, cancelled };
}

/** The service around the jobs. */
export async function operate(client: Client) {
  const path = { name: QUEUE };
  const paused = told(await client.POST("/api/queues/{name}/pause", { params: { path } }));
  const resumed = told(await client.POST("/api/queues/{name}/resume", { params: { path } }));
  const { queues } = told(await client.GET("/api/queues"));
  const { workers } = told(await client.GET("/api/workers"));
  const { total } = told(await client.GET("/api/stats"));
  const made = told(await client.POST("/api/keys", { body: { name: "typed", scopes: ["jobs:read"] } }));
  const revoked = told(await client.DELETE("/api/keys/{id}", { params: { path: { id: made.id } } }));
  const { entries } = told(await client.GET("/api/audit", { params: { query: { action: "key.revoke" } } }));
  return {
    isPaused: [paused.paused_at !== null, resumed.paused_at !== null],
    queues: queues.map(({ name }) => name),
    kinds: workers.flatMap(({ kinds }) => kinds),
    cancelled: total.cancelled,
    key: { ...made, state: revoked.state },
    audited: entries[0]?.detail,
    ready: told(await client.GET("/readyz")).status,
  };
}

/** A worker that takes its jobs over HTTP. */
export async function work(client: Client) {
  const { job_id: id } = told(
    await client.POST("/api/jobs/create", { body: { ...NEW_JOB, resource_type: "scan" } }),
  );
  const body = { queues: [QUEUE], kinds: ["scan"], wait: 5, worker: { name: "typed" } };
  const taken = told(await client.POST("/api/take", { body }));
  const [job] = taken.jobs;
  if (job === undefined) throw new Error("there was nothing to take");
  const params = { path: { id: job.lease_id } };
  const beat = told(await client.POST("/api/leases/{id}/beat", { params }));
  const progress = await client.POST("/api/leases/{id}/progress", { params, body: { percent: 50 } });
  const log = await client.POST("/api/leases/{id}/log", { params, body: { message: "x", fields: { n: 1 } } });
  const output = await client.POST("/api/leases/{id}/output", { params, body: { chunk: ["a"] } });
  const end = { outcome: "failed", error: { message: "no" }, retry: false } as const;
  const ended = told(await client.POST("/api/leases/{id}/end", { params, body: end }));
  const late = refused(await client.POST("/api/leases/{id}/beat", { params }));
  return {
    isOurs: job.job_id === id,
    payload: job.payload,
    isKept: Date.parse(beat.expires_at) > Date.now(),
    told: [progress, log, output].map(({ response }) => response.status),
    outcome: ended.outcome,
    retryInMs: ended.retry_in_ms,
    reason: late.reason,
  };
}

/** What is wrong comes typed, too. */
export async function beRefused(client: Client) {
  const invalid = refused(await client.POST("/api/jobs/create", { body: { ...NEW_JOB, priority: 10 } }));
  return { type: invalid.type, pointers: invalid.errors?.map(({ pointer }) => pointer) };
}
