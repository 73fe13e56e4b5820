-- Nothing was ever written into the table of before.
DROP TABLE "jobsvc"."events" CASCADE;
--> statement-breakpoint
CREATE TABLE "jobsvc"."events" (
	"job_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"seq" integer NOT NULL,
	"type" text NOT NULL,
	"data" json NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "events_job_id_attempt_seq_pk" PRIMARY KEY("job_id","attempt","seq")
);
