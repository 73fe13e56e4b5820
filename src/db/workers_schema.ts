import { integer, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { jobsvc } from "./schema.ts";

// Who takes jobs, and from where.

const timestamptz = (name: string) => timestamp(name, { withTimezone: true });

/** The living workers: processes of ours, and clients over HTTP. A row whose `expires_at` has passed is a worker that is gone. */
export const workers = jobsvc.table("workers", {
  /** Random at every start, never a host name: two processes must not share an identity. */
  id: uuid("id").primaryKey(),
  name: text("name").notNull(),
  role: text("role").notNull(),
  version: text("version").notNull(),
  queues: text("queues").array().notNull(),
  kinds: text("kinds").array().notNull(),
  slots: integer("slots").notNull(),
  startedAt: timestamptz("started_at").notNull().defaultNow(),
  expiresAt: timestamptz("expires_at").notNull(),
  /** How long each sign of life of a pull worker counts; null for a process, which says it with each beat. */
  ttlMs: integer("ttl_ms"),
  drainingAt: timestamptz("draining_at"),
});

/** Only queues about which something is to be said; a queue exists as soon as a job names it. */
export const queues = jobsvc.table("queues", {
  name: text("name").primaryKey(),
  pausedAt: timestamptz("paused_at"),
});
