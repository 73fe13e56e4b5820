import { type Static, Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { ACTIONS } from "../access/audit.ts";
import { type AuditRecord, listAudit } from "../access/audit_list.ts";
import type { Database } from "../db/connect.ts";
import { needs } from "./auth.ts";
import { unbound } from "./bound.ts";
import { cursorOf, placeOf } from "./cursor.ts";
import { DEFAULT_LIMIT, PAGE_QUERY } from "./page_query.ts";
import { queryParameters, readQuery } from "./query.ts";
import { answered, instant, nullable, open, ProblemBody, problems, uuid, word } from "./schemas.ts";

const AuditQuery = Type.Object(
  {
    job_id: Type.Optional(uuid("What was done with this job.")),
    action: Type.Optional(word(ACTIONS, "What was done.")),
    ...PAGE_QUERY,
  },
  { additionalProperties: false },
);

const AuditEntry = answered(
  {
    id: Type.Integer({ description: "A later entry has a greater one." }),
    at: instant(),
    action: word(ACTIONS, "What was done."),
    job_id: nullable(uuid(), "With which job; null where it was none, or many."),
    key_id: nullable(
      uuid(),
      "With which key; null where none of the database was presented: see `detail.by`.",
    ),
    key_name: nullable(Type.String(), "The name of that key."),
    detail: open("What else there is to know: a queue, a filter, how many jobs, another key, an agent."),
  },
  { $id: "AuditEntry", description: "Something that somebody managed." },
);

const AuditPage = answered(
  {
    entries: Type.Array(AuditEntry, { description: "The latest first." }),
    next_cursor: nullable(Type.String(), "For the next page; null on the last one."),
  },
  { $id: "AuditPage", description: "A page of what was done." },
);

const PLACE = /^\d{1,15}$/;

export function auditRoutes({ db }: { db: Database }) {
  return new Elysia({ name: "audit", tags: ["access"], normalize: false })
    .model({ AuditPage, Problem: ProblemBody })
    .get(
      "/api/audit",
      async ({ request }) => {
        const { limit = DEFAULT_LIMIT, cursor, job_id, action } = readQuery(request, AuditQuery);
        const before = cursor === undefined ? undefined : Number(placeOf(cursor, PLACE));
        const found = await listAudit(db, { jobId: job_id, action }, { limit: limit + 1, before });
        const page = found.slice(0, limit);
        return {
          entries: page.map(view),
          next_cursor: found.length > limit ? cursorOf(page.at(-1)!.id) : null,
        };
      },
      {
        beforeHandle: [needs("admin"), unbound],
        response: { 200: "AuditPage", ...problems(401, 403, 422, 429, 500, 503) },
        detail: {
          operationId: "listAudit",
          summary: "Who managed what",
          description:
            "Every cancel, retry, change, deletion and pause, every key that was made or revoked, every agent that was put or deleted.",
          parameters: queryParameters(AuditQuery),
        },
      },
    );
}

function view(entry: AuditRecord): Static<typeof AuditEntry> {
  return {
    id: entry.id,
    at: entry.at.toISOString(),
    action: entry.action,
    job_id: entry.jobId,
    key_id: entry.keyId,
    key_name: entry.keyName,
    detail: entry.detail,
  };
}
