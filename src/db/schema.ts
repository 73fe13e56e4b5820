import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  json,
  jsonb,
  pgSchema,
  primaryKey,
  smallint,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import { EVENT_TYPES } from "../job/event.ts";
import { OUTCOMES } from "../job/outcome.ts";

/**
 * Facts, hardly ever rewritten: `jobs` is what was asked, `ready` what waits, `leases` what runs,
 * `attempts` what happened. drizzle-kit makes the migrations from this file; views, functions and
 * storage settings, which it cannot express, stand in migrations of their own beside them.
 */
export const jobsvc = pgSchema("jobsvc");

const timestamptz = (name: string) => timestamp(name, { withTimezone: true });

/** What was asked. Inserted once; the engine never updates it. */
export const jobs = jobsvc.table(
  "jobs",
  {
    /** uuid v7, made by us before the insert, so that an insert with an unknown answer can be repeated. */
    id: uuid("id").primaryKey(),
    kind: text("kind").notNull(),
    queue: text("queue").notNull(),
    priority: smallint("priority").notNull(),
    userId: uuid("user_id").notNull(),
    resourceId: uuid("resource_id").notNull(),
    /** `json`, not `jsonb`: it keeps the text exactly as it was sent (`1e400`, 20 digits, key order). */
    payload: json("payload").notNull(),
    maxAttempts: smallint("max_attempts").notNull(),
    scheduledAt: timestamptz("scheduled_at"),
    timeoutMs: integer("timeout_ms"),
    tags: text("tags").array().notNull().default(sql`'{}'`),
    metadata: jsonb("metadata").notNull().default(sql`'{}'`),
    createdAt: timestamptz("created_at").notNull().defaultNow(),
  },
  (jobs) => [
    index("jobs_user").on(jobs.userId, jobs.id),
    // Jobs without tags, which most are, have no entry and pay nothing.
    index("jobs_tags").using("gin", jobs.tags).where(sql`${jobs.tags} <> '{}'`),
    check("jobs_priority", sql`${jobs.priority} between 1 and 9`),
    check("jobs_max_attempts", sql`${jobs.maxAttempts} >= 1`),
  ],
);

/** Where jobs stand on their way; the jobs of one row always share it. */
const standing = {
  /** The number of the next (ready) or running (leases) attempt. */
  attempt: integer("attempt").notNull(),
  /** Attempts that failed so far; these count against `max_attempts`. */
  failures: smallint("failures").notNull().default(0),
  /** Attempts lost with their worker so far; these count against the limit that stops a poison job. */
  losses: smallint("losses").notNull().default(0),
};

/** What waits: one row is a block of jobs that share lane, due time and standing. A lone job is a block of one. */
export const ready = jobsvc.table(
  "ready",
  {
    /** A sequence, not a uuid: half the size in the index, and ties are taken in the order of arrival. */
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    queue: text("queue").notNull(),
    kind: text("kind").notNull(),
    priority: smallint("priority").notNull(),
    runAt: timestamptz("run_at").notNull(),
    ...standing,
    jobIds: uuid("job_ids").array().notNull(),
    size: integer("size").notNull().generatedAlwaysAs(sql`cardinality(job_ids)`),
  },
  (ready) => [
    // Exactly the order in which a lane is taken, so that a take reads only what it takes.
    index("ready_lane").on(ready.queue, ready.kind, ready.priority, ready.runAt, ready.id),
    // Jobs that were lost twice run one at a time in a process; this finds them without walking their lanes.
    index("ready_suspects").on(ready.queue, ready.runAt).where(sql`${ready.losses} >= 2`),
    check("ready_not_empty", sql`${ready.size} > 0`),
    // A number that no ending may have could not be ended, nor rescued, nor could its neighbours be.
    check("ready_attempt", sql`${ready.attempt} >= 1`),
    check("ready_run_at", sql`${ready.runAt} > '-infinity'`),
  ],
);

/** What runs: a worker's hold on jobs that it took together. Taken (and lost) as one, ended one by one. */
export const leases = jobsvc.table(
  "leases",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    // No foreign key: a check per lease is dear, and rescue treats a lease without a living worker as lost.
    // Null once its worker has disowned it.
    workerId: uuid("worker_id"),
    queue: text("queue").notNull(),
    kind: text("kind").notNull(),
    priority: smallint("priority").notNull(),
    ...standing,
    jobIds: uuid("job_ids").array().notNull(),
    leasedAt: timestamptz("leased_at").notNull().defaultNow(),
    /** When the attempts are over whatever their worker says. Null where the worker's process sees to that itself. */
    deadlineAt: timestamptz("deadline_at"),
    /** The last sign of life of a job that a worker over HTTP holds, for which each job has to give its own. */
    beatenAt: timestamptz("beaten_at"),
    /** Jobs that must not run once more after they were lost: whoever took them knows their kind. */
    failLost: boolean("fail_lost").notNull().default(false),
  },
  (leases) => [
    index("leases_worker").on(leases.workerId),
    check("leases_attempt", sql`${leases.attempt} >= 1`),
    index("leases_deadline").on(leases.deadlineAt).where(sql`${leases.deadlineAt} is not null`),
  ],
);

/**
 * What happened: one row per ended attempt. The primary key is the fence: whoever inserts an attempt's
 * ending first (worker, canceller, rescuer) has ended it, and every later insert conflicts and changes nothing.
 */
export const attempts = jobsvc.table(
  "attempts",
  {
    jobId: uuid("job_id").notNull(),
    attempt: integer("attempt").notNull(),
    outcome: text("outcome", { enum: OUTCOMES }).notNull(),
    workerId: uuid("worker_id"),
    startedAt: timestamptz("started_at"),
    finishedAt: timestamptz("finished_at").notNull(),
    /** When the next attempt is due. Null means that this ending is final. */
    retryAt: timestamptz("retry_at"),
    error: jsonb("error"),
    /** `json` for the same reason as the payload. */
    result: json("result"),
    /** What the attempt has used up of a model, and what that cost. */
    usage: jsonb("usage"),
  },
  (attempts) => [
    primaryKey({ columns: [attempts.jobId, attempts.attempt] }),
    // Failed for good and waiting for a person. Few rows, so it costs the hot path nothing.
    index("attempts_failed")
      .on(attempts.jobId)
      .where(sql`${attempts.outcome} = 'failed' and ${attempts.retryAt} is null`),
    check("attempts_number", sql`${attempts.attempt} >= 1`),
  ],
);

/**
 * What a running job tells: progress, log lines and chunks of output. Written in groups, never updated. An attempt
 * runs in one process only, which numbers what it tells: so a group can be written again after an unknown answer, and
 * the key is also the order in which a reader sees them and the place where it goes on after a break.
 */
export const events = jobsvc.table(
  "events",
  {
    jobId: uuid("job_id").notNull(),
    attempt: integer("attempt").notNull(),
    /** From 1. A number may be missing. */
    seq: integer("seq").notNull(),
    type: text("type", { enum: EVENT_TYPES }).notNull(),
    data: json("data").notNull(),
    createdAt: timestamptz("created_at").notNull().defaultNow(),
    /** Which call wrote a line that no process numbers, so that its repeat finds it. Null where a process does. */
    tellingId: uuid("telling_id"),
  },
  (events) => [primaryKey({ columns: [events.jobId, events.attempt, events.seq] })],
);

/**
 * How many jobs ended how, in small sums that are written with the endings and added up by maintenance: counting
 * history would cost more with every day. Negative where a final job was retried or pruned.
 */
export const tallies = jobsvc.table("tallies", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  queue: text("queue").notNull(),
  kind: text("kind").notNull(),
  outcome: text("outcome", { enum: OUTCOMES }).notNull(),
  jobs: bigint("jobs", { mode: "number" }).notNull(),
});
