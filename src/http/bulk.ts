import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { Elysia } from "elysia";
import { type Action, recordAudit } from "../access/audit.ts";
import type { Principal } from "../access/principal.ts";
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
    matched: Type.Integer({ description: `Jobs that fit the filter, up to ${MAX_JOBS}.` }),
    changed: Type.Integer({ description: "Jobs on which the action was done; 0 for a dry run." }),
    complete: Type.Boolean({ description: "False when more jobs may fit: call again." }),
  },
  { $id: "BulkDone", description: "What the action did." },
);

/** An action answers what became of each job; `done` is the answer that counts. */
interface BulkAction {
  audit: Action;
  done: string;
  act(db: Database, ids: readonly string[], userId: string | null): Promise<Map<string, string>>;
  operationId: string;
  summary: string;
}

const ACTIONS: Record<"cancel" | "retry" | "delete", BulkAction> = {
  cancel: {
    audit: "jobs.cancel",
    done: "cancelled",
    act: cancelJobs,
    operationId: "cancelJobs",
    summary: "Cancel all jobs that fit a filter",
  },
  retry: {
    audit: "jobs.retry",
    done: "retried",
    act: retryJobs,
    operationId: "retryJobs",
    summary: "Run all ended jobs that fit a filter again",
  },
  delete: {
    audit: "jobs.delete",
    done: "deleted",
    act: deleteJobs,
    operationId: "deleteJobs",
    summary: "Delete all ended jobs that fit a filter",
  },
};

export function bulkRoutes({ db }: { db: Database }) {
  return new Elysia({ name: "bulk", prefix: "/api/jobs", tags: ["jobs"], normalize: false })
    .model({ Bulk: BulkBody, BulkDone, Problem: ProblemBody })
    .post("/cancel", ({ request }) => bulk(db, request, ACTIONS.cancel), route(ACTIONS.cancel))
    .post("/retry", ({ request }) => bulk(db, request, ACTIONS.retry), route(ACTIONS.retry))
    .post("/delete", ({ request }) => bulk(db, request, ACTIONS.delete), route(ACTIONS.delete));
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
      description: `At most ${MAX_JOBS} jobs a call. Jobs on which it cannot be done are left as they are.`,
    },
  };
}

async function bulk(db: Database, request: Request, action: BulkAction): Promise<Static<typeof BulkDone>> {
  const principal = principalOf(request);
  const { filter: asked, dry_run: dryRun = false } = await readBulk(request);
  const filter = jobFilter(asked, principal);
  const { ids, complete } = asksForOthers(asked, principal)
    ? { ids: [], complete: true }
    : await matching(db, filter);
  const changed = dryRun ? 0 : await actOn(db, ids, action, principal);
  if (changed > 0)
    await recordAudit(db, { principal, action: action.audit, detail: { filter: asked, changed } });
  return { matched: ids.length, changed, complete };
}

async function readBulk(request: Request): Promise<Static<typeof BulkBody>> {
  const { value } = await readJson(request, MAX_BODY_BYTES);
  if (!BulkCheck.Check(value)) throw invalid(fieldErrors(BulkCheck.Errors(value)));
  return value;
}

/** The ids are gathered before anything is done: what is done to the first must not change which are next. */
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

async function actOn(db: Database, ids: readonly string[], { act, done }: BulkAction, principal: Principal) {
  let changed = 0;
  for (let from = 0; from < ids.length; from += BATCH) {
    const answers = await act(db, ids.slice(from, from + BATCH), principal.userId);
    changed += [...answers.values()].filter((answer) => answer === done).length;
  }
  return changed;
}
