import { jsonb, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { jobsvc } from "./schema.ts";

const timestamptz = (name: string) => timestamp(name, { withTimezone: true });

/** Whom jobs of the kinds `ai_agent` and `client_agent` call, by the `resource_id` of the job. */
export const agents = jobsvc.table("agents", {
  resourceId: uuid("resource_id").primaryKey(),
  /** The kind of the jobs that it is for. */
  kind: text("kind").notNull(),
  /** The one user whose jobs may use it; null for everybody's. */
  userId: uuid("user_id"),
  name: text("name").notNull(),
  /** Address, model, limits: all that is not secret. Its form follows from the kind. */
  config: jsonb("config").notNull(),
  /** Encrypted: the API key of an AI agent, the signing secret of a client agent. */
  secret: text("secret"),
  /** Encrypted: the signing secret of before, which signs beside the new one until the time below. */
  previousSecret: text("previous_secret"),
  previousSecretUntil: timestamptz("previous_secret_until"),
  createdAt: timestamptz("created_at").notNull().defaultNow(),
  updatedAt: timestamptz("updated_at").notNull().defaultNow(),
});
