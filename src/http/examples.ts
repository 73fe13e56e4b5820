// One story runs through all of them: a job that failed once, and ended well at its second attempt.

const JOB_ID = "0198c8e2-6a10-7d52-8f3c-51d2a0b4c6e8";
const KEY_ID = "0198c8e0-91c4-7b0e-a8f2-6d1e7c3b5a90";
const LEASE_ID = "PzYvOGp8SZ6Q3nPNUWUlyQGYyOJqEH1SjzxR0qC0xugAAAAB";
const WORKER_ID = "3f0f6a52-8d0e-4a54-9a39-0f7c2b9d8e11";

const WHOSE = {
  user_id: "123e4567-e89b-12d3-a456-426614174000",
  resource_type: "ai_agent",
  resource_id: "456e7890-e89b-12d3-a456-426614174001",
};

const STANDING = {
  queue: "default",
  priority: 1,
  state: "completed",
  status: "completed",
  max_retries: 3,
  scheduled_at: "2024-01-01T12:00:00.000Z",
  run_at: null,
  tags: [],
  metadata: {},
  created_at: "2026-03-02T09:30:00.000Z",
  finished_at: "2026-03-02T09:30:05.250Z",
};

const ATTEMPT = {
  attempt: 1,
  outcome: "failed",
  worker_id: WORKER_ID,
  worker_name: "host-1/4711",
  started_at: "2026-03-02T09:30:00.250Z",
  finished_at: "2026-03-02T09:30:02.250Z",
  retry_at: "2026-03-02T09:30:03.250Z",
  error: { name: "Error", message: "the model did not answer" },
  usage: null,
};

const USAGE = { input_tokens: 1_250, output_tokens: 310, cost: 0.00675 };

const QUEUE = {
  name: "default",
  paused_at: null,
  available: 12,
  scheduled: 3,
  running: 100,
  oldest_wait_ms: 1250,
  workers: 1,
};

const COUNTS = {
  scheduled: 3,
  available: 12,
  running: 100,
  retryable: 1,
  completed: 5210,
  failed: 4,
  cancelled: 2,
};

const KEY = {
  id: KEY_ID,
  name: "the shop",
  scopes: ["jobs:write", "jobs:read"],
  user_id: null,
  queues: null,
  kinds: null,
  state: "live",
  created_at: "2026-03-02T09:00:00.000Z",
  expires_at: null,
  revoked_at: null,
};

const AGENT = {
  resource_type: "ai_agent",
  resource_id: WHOSE.resource_id,
  name: "the summariser",
  user_id: null,
  has_secret: true,
  base_url: "https://models.example.com/v1",
  model: "small-1",
  instructions: "Answer in one sentence.",
  temperature: null,
  max_tokens: 500,
  budget: null,
  price: null,
  timeout_ms: null,
  created_at: "2026-03-02T09:10:00.000Z",
  updated_at: "2026-03-02T09:10:00.000Z",
};

const HEALTH = { version: "0.1.0", uptime_seconds: 86400 };

/** An example of every answer, by the name of its schema. */
export const EXAMPLES: Readonly<Record<string, unknown>> = {
  CreatedJob: { job_id: JOB_ID },
  CreatedBatch: { job_ids: [JOB_ID, "0198c8e2-6a10-7d52-8f3c-51d2a0b4c6e9"] },
  Job: {
    job_id: JOB_ID,
    ...WHOSE,
    ...STANDING,
    timeout_ms: null,
    attempts: [
      ATTEMPT,
      {
        ...ATTEMPT,
        attempt: 2,
        outcome: "completed",
        started_at: "2026-03-02T09:30:03.250Z",
        finished_at: STANDING.finished_at,
        retry_at: null,
        error: null,
        usage: USAGE,
      },
    ],
    usage: USAGE,
    payload: { task: "process_data", data: "example" },
    result: { text: "Done.", finish_reason: "stop", model: "gpt-5-mini", usage: USAGE },
  },
  JobPage: { jobs: [{ job_id: JOB_ID, ...WHOSE, ...STANDING, ended_attempts: 2 }], next_cursor: null },
  BulkDone: { matched: 42, changed: 40, complete: true },
  Why: { code: "scheduled", detail: "scheduled for 2026-03-02T12:00:00.000Z" },
  Queue: QUEUE,
  Queues: { queues: [QUEUE] },
  Workers: {
    workers: [
      {
        worker_id: WORKER_ID,
        name: "host-1/4711",
        role: "all",
        version: HEALTH.version,
        queues: ["default"],
        kinds: ["ai_agent", "client_agent"],
        slots: 100,
        running: 100,
        started_at: "2026-03-01T09:30:00.000Z",
        draining_at: null,
      },
    ],
  },
  Taken: {
    worker_id: WORKER_ID,
    ttl_ms: 30_000,
    jobs: [
      {
        lease_id: LEASE_ID,
        job_id: JOB_ID,
        attempt: 1,
        kind: "video",
        queue: "default",
        priority: 5,
        user_id: WHOSE.user_id,
        resource_id: WHOSE.resource_id,
        max_retries: 3,
        timeout_ms: 1_800_000,
        deadline_at: "2026-03-02T10:00:00.250Z",
        payload: { task: "process_data", data: "example" },
      },
    ],
  },
  LeaseBeat: { expires_at: "2026-03-02T09:30:30.250Z", deadline_at: "2026-03-02T10:00:00.250Z" },
  LeaseEnded: { job_id: JOB_ID, attempt: 1, outcome: "failed", retry_in_ms: 1_000 },
  Stats: { total: COUNTS, by_kind: [{ queue: "default", resource_type: "ai_agent", ...COUNTS }] },
  Agent: AGENT,
  AgentPage: { agents: [AGENT], next_cursor: null },
  CreatedApiKey: { key: "jsk_… (shown this once)", ...KEY },
  ApiKey: KEY,
  ApiKeyPage: { keys: [KEY], next_cursor: null },
  AuditPage: {
    entries: [
      {
        id: 17,
        at: "2026-03-02T09:31:00.000Z",
        action: "queue.pause",
        job_id: null,
        key_id: KEY_ID,
        key_name: KEY.name,
        detail: { queue: "default" },
      },
    ],
    next_cursor: null,
  },
  Health: { status: "ok", ...HEALTH },
  Readiness: { status: "ready", checks: { database: { ok: true } } },
};
