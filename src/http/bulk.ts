import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { type Context, Elysia } from "elysia";
import { type Action, recordAudit } from "../access/audit.ts";
import type { Database } from "../db/connect.ts";
import { cancelJobs } from "../queue/cancel.ts";
import { deleteJobs } from "../queue/delete.ts";
import { type JobFilter, listJobs } from "../queue/list.ts";
import { retryJobs } from "../queue/retry.ts";
import { needs, principalOf } from "./auth.ts";
import { fieldErrors, invalid } from "./field_errors.ts";
import { asksForOthers, FILTER, jobFilter } from "./job_filter.ts";
import { readJson } from "./request_body.ts";
import { answered, ProblemBody, problems } from "./schemas.ts";

/** Jobs that one call may touch. It says when there are more, and is then called again. */
const MAX_JOBS = 10_000;
/** Jobs in one statement. */
const BATCH = 500;
/** Each statement has seconds; together they take a few. */
const LONGEST_S = 240;
/** Texts of a few dozen characters each. */
const MAX_BODY_BYTES = 8 * 1024;

const BulkBody = Type.Object(
  {
    filter: Type.Object(FILTER, { additionalProperties: false, description: "Which jobs; `{}` means all." }),
    dry_run: Type.Optional(
      Type.Boolean({ default: false, description: "Only say how many jobs are meant." }),
    ),
  },
  {
    $id: "Bulk",
    additionalProperties: false,
    description: "An action on all jobs that fit a filter.",
    examples: [{ filter: { resource_type: "ai_agent", state: "failed" }, dry_run: true }],
  },
);

const BulkCheck = TypeCompiler.Compile(BulkBody);

const BulkDone = answered(
  {
    matched: Type.Integer({
      description: `Jobs that fit the filter and on which the action can be done, up to ${MAX_JOBS}.`,
    }),
    changed: Type.Integer({ description: "Jobs on which the action was done; 0 for a dry run." }),
    complete: Type.Boolean({ description: "False when more jobs may fit: call again." }),
  },
  { $id: "BulkDone", description: "What the action did." },
);

/** An action answers what became of each job; `done` is the answer that counts. */
interface BulkAction {
  audit: Action;
  /** Whether it is done on jobs that have ended, or on those that have not. */
  ended: boolean;
  done: string;
  act(db: Database, ids: readonly string[], userId: string | null): Promise<Map<string, string>>;
  operationId: string;
  summary: string;
}

const ACTIONS: Record<"cancel" | "retry" | "delete", BulkAction> = {
  cancel: {
    audit: "jobs.cancel",
    ended: false,
    done: "cancelled",
    act: cancelJobs,
    operationId: "cancelJobs",
    summary: "Cancel all jobs that fit a filter",
  },
  retry: {
    audit: "jobs.retry",
    ended: true,
    done: "retried",
    act: retryJobs,
    operationId: "retryJobs",
    summary: "Run all ended jobs that fit a filter again",
  },
  delete: {
    audit: "jobs.delete",
    ended: true,
    done: "deleted",
    act: deleteJobs,
    operationId: "deleteJobs",
    summary: "Delete all ended jobs that fit a filter",
  },
};

export function bulkRoutes({ db }: { db: Database }) {
  return new Elysia({ name: "bulk", prefix: "/api/jobs", tags: ["jobs"], normalize: false })
    .model({ Bulk: BulkBody, BulkDone, Problem: ProblemBody })
    .post("/cancel", (context) => bulk(db, context, ACTIONS.cancel), route(ACTIONS.cancel))
    .post("/retry", (context) => bulk(db, context, ACTIONS.retry), route(ACTIONS.retry))
    .post("/delete", (context) => bulk(db, context, ACTIONS.delete), route(ACTIONS.delete));
}

function route({ operationId, summary }: BulkAction) {
  return {
    beforeHandle: needs("jobs:manage"),
    parse: "none" as const,
    body: "Bulk" as const,
    response: { 200: "BulkDone" as const, ...problems(400, 401, 403, 408, 413, 415, 422, 429, 500, 503) },
    detail: {
      operationId,
      summary,
      description: `At most ${MAX_JOBS} jobs a call, the newest first. Jobs on which it cannot be done do not count.`,
    },
  };
}

async function bulk(
  db: Database,
  { request, server }: Pick<Context, "request" | "server">,
  action: BulkAction,
): Promise<Static<typeof BulkDone>> {
  const principal = principalOf(request);
  const { filter: asked, dry_run: dryRun = false } = await readBulk(request);
  const filter = jobFilter(asked, principal, "/filter");
  // Else a connection on which nothing happens would be closed in the middle of it.
  server?.timeout(request, LONGEST_S);
  const { ids, complete } = asksForOthers(asked, principal)
    ? { ids: [], complete: true }
    : await matching(db, { ...filter, ended: action.ended });
  let changed = 0;
  try {
    for (const batch of dryRun ? [] : batches(ids)) {
      const answers = await action.act(db, batch, principal.userId);
      changed += [...answers.values()].filter((answer) => answer === action.done).length;
    }
  } finally {
    // Also when the rest could not be done.
    if (changed > 0)
      await recordAudit(db, { principal, action: action.audit, detail: { filter: asked, changed } });
  }
  return { matched: ids.length, changed, complete };
}

async function readBulk(request: Request): Promise<Static<typeof BulkBody>> {
  const { value } = await readJson(request, MAX_BODY_BYTES);
  if (!BulkCheck.Check(value)) throw invalid(fieldErrors(BulkCheck.Errors(value)));
  return value;
}

/**
 * The ids are gathered before anything is done: what is done to the first must not change which are next. Only of jobs
 * on which it can be done, else those of the first call would fill the next one, and it would never come to the others.
 */
async function matching(db: Database, filter: JobFilter): Promise<{ ids: string[]; complete: boolean }> {
  const ids: string[] = [];
  let before: string | undefined;
  do {
    const page = await listJobs(db, filter, { limit: Math.min(BATCH, MAX_JOBS - ids.length), before });
    ids.push(...page.jobs.map((job) => job.id));
    if (page.next === null) return { ids, complete: true };
    before = page.next;
  } while (ids.length < MAX_JOBS);
  return { ids, complete: false };
}

function batches(ids: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / BATCH) }, (_, place) =>
    ids.slice(place * BATCH, (place + 1) * BATCH),
  );
}
