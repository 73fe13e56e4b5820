import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Events } from "./events.ts";
import { laneLabels } from "./lane_labels.ts";
import type { Listeners } from "./listeners.ts";

/** From an idle service, which starts a job within milliseconds, to a backlog of hours. */
const WAIT_BUCKETS_S = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200];
/** From a row that is changed to an agent that thinks for half an hour. */
const RUN_BUCKETS_S = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1_800];

/** What the worker of a process is there for; nothing at all where there is none. */
export interface Works {
  kinds: readonly string[];
  queues: readonly { name: string; slots: number }[];
}

/** What the worker of this process does. */
export function jobMetrics(registry: Registry, { kinds, queues }: Works): Listeners {
  const registers = [registry];
  const lane = ["kind", "queue"] as const;
  const labelsOf = laneLabels();

  const started = new Counter({
    name: "jobsvc_jobs_started_total",
    help: "Attempts that this process started.",
    labelNames: lane,
    registers,
  });
  const ended = new Counter({
    name: "jobsvc_jobs_ended_total",
    help: "Attempts that ended in this process, those among them whose ending came too late included.",
    labelNames: [...lane, "outcome"],
    registers,
  });
  const retried = new Counter({
    name: "jobsvc_jobs_retried_total",
    help: "Attempts that ended in this process and are followed by another one.",
    labelNames: [...lane, "outcome"],
    registers,
  });
  const lost = new Counter({
    name: "jobsvc_lost_endings_total",
    help: "Endings that came too late: somebody else had ended the attempt, and the handler's work was dropped.",
    labelNames: lane,
    registers,
  });
  const wait = new Histogram({
    name: "jobsvc_job_wait_seconds",
    help: "From the moment when a job was due until a worker took it.",
    labelNames: lane,
    buckets: WAIT_BUCKETS_S,
    registers,
  });
  const run = new Histogram({
    name: "jobsvc_job_run_seconds",
    help: "How long an attempt ran.",
    labelNames: lane,
    buckets: RUN_BUCKETS_S,
    registers,
  });
  const slots = new Gauge({
    name: "jobsvc_worker_slots",
    help: "How many jobs of a queue this process runs at most at the same time.",
    labelNames: ["queue"],
    registers,
  });
  const inUse = new Gauge({
    name: "jobsvc_worker_slots_in_use",
    help: "How many jobs of a queue this process runs.",
    labelNames: ["queue"],
    registers,
  });
  for (const { name, slots: count } of queues) {
    slots.set({ queue: name }, count);
    inUse.set({ queue: name }, 0);
    // A series that begins with its first loss would hide that loss from whoever looks at differences.
    for (const kind of kinds) {
      started.inc(labelsOf(kind, name), 0);
      lost.inc(labelsOf(kind, name), 0);
    }
  }

  function end({ kind, queue, outcome, ms }: Events["job.ended"]) {
    const labels = labelsOf(kind, queue);
    ended.inc({ ...labels, outcome });
    run.observe(labels, ms / 1_000);
    inUse.dec({ queue });
  }

  return {
    "job.started"({ kind, queue, waited_ms }) {
      const labels = labelsOf(kind, queue);
      started.inc(labels);
      wait.observe(labels, waited_ms / 1_000);
      inUse.inc({ queue });
    },
    "job.ended": end,
    "job.broken_off": end,
    "job.retrying"(fields) {
      end(fields);
      retried.inc({ ...labelsOf(fields.kind, fields.queue), outcome: fields.outcome });
    },
    "job.ending_lost": ({ kind, queue }) => lost.inc(labelsOf(kind, queue)),
  };
}
