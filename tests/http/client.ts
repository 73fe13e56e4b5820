import { expect } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import type { AnyElysia } from "elysia";
import { type AccessParts, access } from "../../src/access/access.ts";
import type { Database } from "../../src/db/connect.ts";
import { type AppParts, createApp } from "../../src/http/app.ts";
import { eventStreams } from "../../src/http/event_streams.ts";
import { leaseIdOf } from "../../src/http/lease_id.ts";
import { ProblemBody } from "../../src/http/schemas.ts";
import type { TakeSourcesParts } from "../../src/http/take_sources.ts";
import { type Takers, takers } from "../../src/http/takers.ts";
import type { NewJob } from "../../src/job/job.ts";
import { TEST_SECRETS, TEST_TOKENS } from "../support/agents.ts";
import { NO_KINDS } from "../support/kinds.ts";
import { NEVER_MS } from "../support/worker.ts";

/** The request of the README, word for word. */
export const SEED_REQUEST = {
  user_id: "123e4567-e89b-12d3-a456-426614174000",
  resource_type: "ai_agent",
  resource_id: "456e7890-e89b-12d3-a456-426614174001",
  payload: '{"task": "process_data", "data": "example"}',
  priority: 1,
  scheduled_at: "2024-01-01T12:00:00Z",
  max_retries: 3,
};

export const SOME_ID = "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77";

export const SOME_LEASE = leaseIdOf({ leaseId: SOME_ID, jobId: SOME_ID, attempt: 1 });

/** For requests that must be answered without it. */
const UNTOUCHED: Database = {
  run: () => Promise.reject(new Error("the database was touched")),
  listen: () => Promise.reject(new Error("the database was touched")),
  close: async () => {},
};

/** Keys as the settings name them, and none in a database. */
export function testAccess(changes: Partial<AccessParts> = {}) {
  return access({
    db: { ...UNTOUCHED, run: async () => [{ keyed: false, keys: [] }] as never },
    settingsKeys: [],
    openWithoutKeys: true,
    callsPerMinute: { enqueue: 0, read: 0, work: 0, manage: 0 },
    tokens: TEST_TOKENS,
    ...changes,
  });
}

/** What hands out jobs on this database to workers over HTTP. It looks by itself as good as never. */
export function newTakers(db: Database, changes: Partial<TakeSourcesParts> = {}): Takers {
  return takers({
    db,
    emit: () => {},
    pollIntervalMs: NEVER_MS,
    defaultLimitMs: 60_000,
    failLost: [],
    ...changes,
  });
}

export type Told = { name: string; fields: Record<string, unknown> };

/** What an app is made of, without a database; and what became of it. */
export function testParts() {
  const inserted: NewJob[] = [];
  const told: Told[] = [];
  const parts: AppParts = {
    db: UNTOUCHED,
    inserter: {
      insert: async (jobs) => {
        inserted.push(...jobs);
        return true;
      },
    },
    emit: (name, fields) => told.push({ name, fields: { ...fields } }),
    streams: eventStreams({ db: UNTOUCHED, emit: () => {} }),
    takers: newTakers(UNTOUCHED),
    retryOf: () => undefined,
    onWork: () => {},
    metrics: { text: async () => "" },
    waiter: { name: "waiter", ended: async () => {}, start: async () => {}, stop: async () => {} },
    kinds: NO_KINDS,
    secrets: TEST_SECRETS,
    checkUrl: async () => undefined,
    readiness: async () => ({ ready: true, checks: { database: { ok: true } } }),
    access: testAccess(),
    version: "1.2.3",
  };
  return { parts, inserted, told };
}

/** An app that remembers which jobs it was to insert and which events it emitted. */
export function testApp(changes: Partial<AppParts> = {}) {
  const { parts, inserted, told } = testParts();
  const onDatabase = changes.db && { takers: newTakers(changes.db) };
  return { app: createApp({ ...parts, ...onDatabase, ...changes }), inserted, told };
}

export function request(
  app: AnyElysia,
  method: string,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  return app.handle(new Request(`http://localhost${path}`, { ...init, method }));
}

export const JSON_TYPE = { "content-type": "application/json" };

export function create(
  app: AnyElysia,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const sent = typeof body === "string" || body instanceof Blob ? body : JSON.stringify(body);
  return request(app, "POST", "/api/jobs/create", { body: sent, headers: { ...JSON_TYPE, ...headers } });
}

export interface ReadProblem {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  errors?: { pointer: string; detail: string }[];
  checks?: Record<string, { ok: boolean }>;
}

/** Every refusal is a problem of RFC 9457 with this status; answers it for a closer look. */
export async function problemOf(response: Response, status: number): Promise<ReadProblem> {
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await response.json()) as ReadProblem;
  expect([...Value.Errors(ProblemBody, problem)]).toEqual([]);
  expect(problem.status).toBe(status);
  expect(problem.instance).toBe(response.headers.get("x-request-id") ?? "");
  return problem;
}

export const pointersOf = (problem: ReadProblem) => (problem.errors ?? []).map(({ pointer }) => pointer);
