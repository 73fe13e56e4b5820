ALTER TABLE "jobsvc"."leases" ADD CONSTRAINT "leases_attempt" CHECK ("jobsvc"."leases"."attempt" >= 1);--> statement-breakpoint
ALTER TABLE "jobsvc"."ready" ADD CONSTRAINT "ready_attempt" CHECK ("jobsvc"."ready"."attempt" >= 1);--> statement-breakpoint
ALTER TABLE "jobsvc"."ready" ADD CONSTRAINT "ready_run_at" CHECK ("jobsvc"."ready"."run_at" > '-infinity');