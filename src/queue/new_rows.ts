import { arrayLiteral, asItIs, column, plainLiteral } from "../db/arrays.ts";
import type { Sql } from "../db/connect.ts";
import type { NewJob } from "../job/job.ts";

/**
 * Stands between the payloads. JSON has no control characters, so a text that holds one is no JSON; and as it would make
 * one payload too many, its statement is refused for the job without an id.
 */
const BETWEEN_PAYLOADS = "\u0001";

export interface NewRows {
  /** For `with`: what all jobs have in common, their ids, and what of a column is not the same for all. */
  sent: ReturnType<Sql>;
  /** The insert of the rows, up to its `where`. */
  inserting: ReturnType<Sql>;
}

/**
 * Parts of a statement that inserts jobs. Most jobs of a call say the same in most columns: that is sent once, and stands
 * ready for every row. Payloads go as one text, which is cheaper to write and to read than an array of quoted ones.
 */
export function newRows(sql: Sql, jobs: readonly NewJob[]): NewRows {
  const kind = column(jobs, "kind", asItIs);
  const queue = column(jobs, "queue", asItIs);
  const priority = column(jobs, "priority", asItIs);
  const userId = column(jobs, "userId", asItIs);
  const resourceId = column(jobs, "resourceId", asItIs);
  const maxAttempts = column(jobs, "maxAttempts", asItIs);
  const scheduledAt = column(jobs, "scheduledAt", (at) => at?.toISOString() ?? null);
  const timeoutMs = column(jobs, "timeoutMs", asItIs);
  const tags = column(jobs, "tags", arrayLiteral);
  const metadata = column(jobs, "metadata", JSON.stringify);
  const payloads = jobs.map((job) => job.payload).join(BETWEEN_PAYLOADS);
  return {
    sent: sql`
    sent as materialized (
      select ${plainLiteral(jobs.map((job) => job.id))}::text::uuid[] as ids,
        ${kind.all}::text as kind, ${queue.all}::text as queue, ${priority.all}::int2 as priority,
        ${userId.all}::uuid as user_id, ${resourceId.all}::uuid as resource_id, ${maxAttempts.all}::int2 as max_attempts,
        ${scheduledAt.all}::timestamptz as scheduled_at, ${timeoutMs.all}::int4 as timeout_ms,
        ${tags.all}::text::text[] as tags, ${metadata.all}::text::jsonb as metadata
    ),`,
    inserting: sql`
      insert into jobsvc.jobs (
        id, kind, queue, priority, user_id, resource_id, payload, max_attempts, scheduled_at, timeout_ms, tags, metadata
      )
      select job.id, coalesce(job.kind, sent.kind), coalesce(job.queue, sent.queue),
        coalesce(job.priority, sent.priority), coalesce(job.user_id, sent.user_id),
        coalesce(job.resource_id, sent.resource_id), job.payload::json, coalesce(job.max_attempts, sent.max_attempts),
        coalesce(job.scheduled_at, sent.scheduled_at), coalesce(job.timeout_ms, sent.timeout_ms),
        coalesce(job.tags::text[], sent.tags), coalesce(job.metadata::jsonb, sent.metadata)
      from sent
      cross join lateral rows from (
        unnest(sent.ids), string_to_table(${payloads}::text, ${BETWEEN_PAYLOADS}::text), unnest(${kind.each}::text[]),
        unnest(${queue.each}::text[]), unnest(${priority.each}::int2[]), unnest(${userId.each}::uuid[]),
        unnest(${resourceId.each}::uuid[]), unnest(${maxAttempts.each}::int2[]),
        unnest(${scheduledAt.each}::timestamptz[]), unnest(${timeoutMs.each}::int4[]), unnest(${tags.each}::text[]),
        unnest(${metadata.each}::text[])
      ) as job (
        id, payload, kind, queue, priority, user_id, resource_id, max_attempts, scheduled_at, timeout_ms, tags, metadata
      )`,
  };
}
