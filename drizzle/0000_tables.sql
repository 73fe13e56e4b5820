CREATE SCHEMA IF NOT EXISTS "jobsvc";
--> statement-breakpoint
CREATE TABLE "jobsvc"."attempts" (
	"job_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"outcome" text NOT NULL,
	"worker_id" uuid,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone NOT NULL,
	"retry_at" timestamp with time zone,
	"error" jsonb,
	"result" json,
	CONSTRAINT "attempts_job_id_attempt_pk" PRIMARY KEY("job_id","attempt"),
	CONSTRAINT "attempts_number" CHECK ("jobsvc"."attempts"."attempt" >= 1)
);
--> statement-breakpoint
CREATE TABLE "jobsvc"."jobs" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"queue" text NOT NULL,
	"priority" smallint NOT NULL,
	"user_id" uuid NOT NULL,
	"resource_id" uuid NOT NULL,
	"payload" json NOT NULL,
	"max_attempts" smallint NOT NULL,
	"scheduled_at" timestamp with time zone,
	"timeout_ms" integer,
	"tags" text[] DEFAULT '{}' NOT NULL,
	"metadata" jsonb DEFAULT '{}' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "jobs_priority" CHECK ("jobsvc"."jobs"."priority" between 1 and 9),
	CONSTRAINT "jobs_max_attempts" CHECK ("jobsvc"."jobs"."max_attempts" >= 1)
);
--> statement-breakpoint
CREATE TABLE "jobsvc"."leases" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"worker_id" uuid,
	"queue" text NOT NULL,
	"kind" text NOT NULL,
	"priority" smallint NOT NULL,
	"attempt" integer NOT NULL,
	"failures" smallint DEFAULT 0 NOT NULL,
	"losses" smallint DEFAULT 0 NOT NULL,
	"job_ids" uuid[] NOT NULL,
	"leased_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "jobsvc"."queues" (
	"name" text PRIMARY KEY NOT NULL,
	"paused_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "jobsvc"."ready" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "jobsvc"."ready_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"queue" text NOT NULL,
	"kind" text NOT NULL,
	"priority" smallint NOT NULL,
	"run_at" timestamp with time zone NOT NULL,
	"attempt" integer NOT NULL,
	"failures" smallint DEFAULT 0 NOT NULL,
	"losses" smallint DEFAULT 0 NOT NULL,
	"job_ids" uuid[] NOT NULL,
	"size" integer GENERATED ALWAYS AS (cardinality(job_ids)) STORED NOT NULL,
	CONSTRAINT "ready_not_empty" CHECK ("jobsvc"."ready"."size" > 0)
);
--> statement-breakpoint
CREATE TABLE "jobsvc"."workers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"version" text NOT NULL,
	"queues" text[] NOT NULL,
	"kinds" text[] NOT NULL,
	"slots" integer NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"draining_at" timestamp with time zone
);
--> statement-breakpoint
CREATE INDEX "attempts_failed" ON "jobsvc"."attempts" USING btree ("job_id") WHERE "jobsvc"."attempts"."outcome" = 'failed' and "jobsvc"."attempts"."retry_at" is null;--> statement-breakpoint
CREATE INDEX "jobs_user" ON "jobsvc"."jobs" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "leases_worker" ON "jobsvc"."leases" USING btree ("worker_id");--> statement-breakpoint
CREATE INDEX "ready_lane" ON "jobsvc"."ready" USING btree ("queue","kind","priority","run_at","id");--> statement-breakpoint
CREATE INDEX "ready_suspects" ON "jobsvc"."ready" USING btree ("queue","run_at") WHERE "jobsvc"."ready"."losses" >= 2;