import { type Static, Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import type { Database } from "../db/connect.ts";
import { JOB_STATES, JOB_STATUSES, statusOf } from "../job/states.ts";
import { type ListedJob, listJobs } from "../queue/list.ts";
import { needs, principalOf } from "./auth.ts";
import { cursorOf, placeOf } from "./cursor.ts";
import { asksForOthers, FILTER, jobFilter } from "./job_filter.ts";
import { DEFAULT_LIMIT, PAGE_QUERY } from "./page_query.ts";
import { queryParameters, readQuery } from "./query.ts";
import { answered, instant, name, nullable, open, ProblemBody, problems, uuid, word } from "./schemas.ts";

const ListQuery = Type.Object({ ...FILTER, ...PAGE_QUERY }, { additionalProperties: false });

/** An id as the database writes it. */
const PLACE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const ListedJobView = answered(
  {
    job_id: uuid(),
    user_id: uuid(),
    resource_type: name("The kind of the job."),
    resource_id: uuid(),
    queue: name("The queue in which it waits."),
    priority: Type.Integer(),
    state: word(JOB_STATES),
    status: word(JOB_STATUSES),
    ended_attempts: Type.Integer({ description: "Tries that have ended." }),
    max_retries: Type.Integer(),
    scheduled_at: nullable(instant(), "As it was asked for."),
    run_at: nullable(instant(), "When it is or was due; null once it has ended."),
    tags: Type.Array(Type.String()),
    metadata: open("What was sent with the job."),
    created_at: instant(),
    finished_at: nullable(instant(), "When it ended; null until then."),
  },
  { $id: "ListedJob", description: "A job without payload, result and attempts." },
);

const JobPageView = answered(
  {
    jobs: Type.Array(ListedJobView, { description: "Newest first." }),
    next_cursor: nullable(Type.String(), "For the next page; null on the last one."),
  },
  {
    $id: "JobPage",
    description:
      "A page of jobs. One that had to search far may hold fewer than asked for, and still have a next one.",
  },
);

export function listRoutes({ db }: { db: Database }) {
  return new Elysia({ name: "list", prefix: "/api/jobs", tags: ["jobs"], normalize: false })
    .model({ JobPage: JobPageView, Problem: ProblemBody })
    .get(
      "",
      async ({ request }) => {
        const principal = principalOf(request);
        const { limit = DEFAULT_LIMIT, cursor, ...asked } = readQuery(request, ListQuery);
        const before = cursor === undefined ? undefined : placeOf(cursor, PLACE);
        const filter = jobFilter(asked, principal);
        if (asksForOthers(asked, principal)) return { jobs: [], next_cursor: null };
        const { jobs, next } = await listJobs(db, filter, { limit, before });
        return { jobs: jobs.map(view), next_cursor: next && cursorOf(next) };
      },
      {
        beforeHandle: needs("jobs:read"),
        response: { 200: "JobPage", ...problems(401, 403, 422, 429, 500, 503) },
        detail: {
          operationId: "listJobs",
          summary: "List jobs",
          description: "Newest first, page by page: follow `next_cursor` until it is null.",
          parameters: queryParameters(ListQuery),
        },
      },
    );
}

function view(job: ListedJob): Static<typeof ListedJobView> {
  return {
    job_id: job.id,
    user_id: job.userId,
    resource_type: job.kind,
    resource_id: job.resourceId,
    queue: job.queue,
    priority: job.priority,
    state: job.state,
    status: statusOf(job.state),
    ended_attempts: job.endedAttempts,
    max_retries: job.maxAttempts - 1,
    scheduled_at: job.scheduledAt?.toISOString() ?? null,
    run_at: job.runAt?.toISOString() ?? null,
    tags: job.tags,
    metadata: job.metadata,
    created_at: job.createdAt.toISOString(),
    finished_at: job.finishedAt?.toISOString() ?? null,
  };
}
