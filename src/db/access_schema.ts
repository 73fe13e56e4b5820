import { sql } from "drizzle-orm";
import { bigint, index, jsonb, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { jobsvc } from "./schema.ts";

// Who may call, who did what, and which calls were repeated.

const timestamptz = (name: string) => timestamp(name, { withTimezone: true });

/** Keys that clients present. Only a hash is kept: the key itself is shown once, when it is made. */
export const apiKeys = jobsvc.table("api_keys", {
  id: uuid("id").primaryKey().defaultRandom(),
  name: text("name").notNull(),
  /** SHA-256 of the secret part, in hex: it is 256 random bits, which no slower hash makes safer. */
  hash: text("hash").notNull(),
  scopes: text("scopes").array().notNull(),
  /** Bound to a user, a key sees and touches that user's jobs only. */
  userId: uuid("user_id"),
  /** Of a key for pull workers: the only queues and kinds from which it takes; null for all. */
  queues: text("queues").array(),
  kinds: text("kinds").array(),
  createdAt: timestamptz("created_at").notNull().defaultNow(),
  expiresAt: timestamptz("expires_at"),
  revokedAt: timestamptz("revoked_at"),
});

/** Who managed what: one row for each cancel, retry, change, pause and key. Never changed. */
export const audit = jobsvc.table(
  "audit",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    at: timestamptz("at").notNull().defaultNow(),
    /** The key that was presented, or null where none is needed. */
    keyId: uuid("key_id"),
    action: text("action").notNull(),
    jobId: uuid("job_id"),
    detail: jsonb("detail").notNull().default(sql`'{}'`),
  },
  (audit) => [index("audit_job").on(audit.jobId, audit.id).where(sql`${audit.jobId} is not null`)],
);

/** What was answered to a request with an Idempotency-Key, so that its repeat gets the same answer. */
export const idempotencyKeys = jobsvc.table(
  "idempotency_keys",
  {
    /** The key holder, so that two tenants may choose the same key. */
    owner: text("owner").notNull(),
    key: text("key").notNull(),
    /** Of the request that used it first: another request may not reuse it. */
    requestHash: text("request_hash").notNull(),
    jobIds: uuid("job_ids").array().notNull(),
    createdAt: timestamptz("created_at").notNull().defaultNow(),
  },
  (keys) => [
    primaryKey({ columns: [keys.owner, keys.key] }),
    index("idempotency_keys_created").on(keys.createdAt),
  ],
);
