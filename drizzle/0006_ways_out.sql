CREATE TABLE "jobsvc"."agents" (
	"resource_id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"user_id" uuid,
	"name" text NOT NULL,
	"config" jsonb NOT NULL,
	"secret" text,
	"previous_secret" text,
	"previous_secret_until" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "jobsvc"."api_keys" ADD COLUMN "queues" text[];--> statement-breakpoint
ALTER TABLE "jobsvc"."api_keys" ADD COLUMN "kinds" text[];--> statement-breakpoint
ALTER TABLE "jobsvc"."attempts" ADD COLUMN "usage" jsonb;--> statement-breakpoint
ALTER TABLE "jobsvc"."leases" ADD COLUMN "deadline_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "jobsvc"."leases" ADD COLUMN "fail_lost" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "jobsvc"."workers" ADD COLUMN "ttl_ms" integer;--> statement-breakpoint
CREATE INDEX "leases_deadline" ON "jobsvc"."leases" USING btree ("deadline_at") WHERE "jobsvc"."leases"."deadline_at" is not null;