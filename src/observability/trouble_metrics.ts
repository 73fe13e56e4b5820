import { Counter, type Registry } from "prom-client";
import type { Listeners } from "./listeners.ts";

/** What did not go as it should, and was mended. */
export function troubleMetrics(registry: Registry): Listeners {
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [registry] });
  const lost = counter(
    "jobsvc_jobs_rescued_total",
    "Attempts lost with their worker that this process let run again.",
  );
  const crashed = counter(
    "jobsvc_jobs_crashed_total",
    "Jobs that this process gave up, because they were lost with their worker again and again.",
  );
  const failed = counter(
    "jobsvc_jobs_failed_lost_total",
    "Jobs that this process ended as failed, because they were lost with their worker and their kind must not run twice.",
  );
  const leases = counter(
    "jobsvc_leases_lost_total",
    "Leases that others took from this worker, because they took it for dead.",
  );
  const terminated = counter(
    "jobsvc_handler_threads_terminated_total",
    "Threads that were ended because the handler in them went on after it was told to stop.",
  );
  const dropped = counter(
    "jobsvc_report_lines_dropped_total",
    "Lines told by handlers that were too many, too large, or could not be written.",
  );
  const refused = counter(
    "jobsvc_report_lines_refused_total",
    "Lines told by attempts that somebody else had ended.",
  );
  const steps = new Counter({
    name: "jobsvc_background_failures_total",
    help: "Background steps that failed and were tried again.",
    labelNames: ["step"],
    registers: [registry],
  });
  return {
    "jobs.rescued"(jobs) {
      lost.inc(jobs.lost);
      crashed.inc(jobs.crashed);
      failed.inc(jobs.failed);
    },
    "worker.leases_lost": (worker) => leases.inc(worker.leases),
    "handler.terminated": () => terminated.inc(),
    "reports.dropped": ({ lines }) => dropped.inc(lines),
    "reports.refused": ({ lines }) => refused.inc(lines),
    "step.failed": ({ step }) => steps.inc({ step }),
  };
}
