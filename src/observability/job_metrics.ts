import { Counter, Gauge, type Registry } from "prom-client";
import type { Events } from "./events.ts";
import { type LaneLabels, lanes } from "./lane_labels.ts";
import type { Listeners } from "./listeners.ts";
import { Spread, spreadMetric } from "./spread.ts";

/** From an idle service, which starts a job within milliseconds, to a backlog of hours. */
const WAIT_BUCKETS_S = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200];
/** From a row that is changed to an agent that thinks for half an hour. */
const RUN_BUCKETS_S = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1_800];

/** What the worker of a process is there for; nothing at all where there is none. */
export interface Works {
  kinds: readonly string[];
  queues: readonly { name: string; slots: number }[];
}

/** What is counted of a kind in a queue: plain numbers, because each job adds to them. The metrics are made of them when somebody scrapes. */
class Lane {
  started = 0;
  lost = 0;
  readonly ended: Record<string, number> = {};
  readonly retried: Record<string, number> = {};
  readonly wait = new Spread(WAIT_BUCKETS_S);
  readonly run = new Spread(RUN_BUCKETS_S);

  constructor(readonly labels: LaneLabels) {}
}

/** What the worker of this process does, and workers over HTTP with its help. */
export function jobMetrics(registry: Registry, { kinds, queues }: Works): Listeners {
  const known = lanes((labels) => new Lane(labels));
  const inUse = new Map(queues.map(({ name }) => [name, 0]));
  // A series that begins with its first loss would hide that loss from whoever looks at differences.
  for (const { name } of queues) for (const kind of kinds) known.of(kind, name);

  function counter(name: string, help: string, read: (lane: Lane) => number) {
    new Counter({
      name,
      help,
      labelNames: ["kind", "queue"],
      registers: [registry],
      collect() {
        this.reset();
        for (const lane of known.all()) this.inc({ ...lane.labels }, read(lane));
      },
    });
  }
  function counterByOutcome(name: string, help: string, read: (lane: Lane) => Record<string, number>) {
    new Counter({
      name,
      help,
      labelNames: ["kind", "queue", "outcome"],
      registers: [registry],
      collect() {
        this.reset();
        for (const lane of known.all())
          for (const [outcome, jobs] of Object.entries(read(lane)))
            this.inc({ ...lane.labels, outcome }, jobs);
      },
    });
  }
  function histogram(name: string, help: string, read: (lane: Lane) => Spread) {
    spreadMetric(registry, {
      name,
      help,
      read: () =>
        Iterator.from(known.all())
          .map((lane) => ({ labels: { ...lane.labels }, spread: read(lane) }))
          .filter(({ spread }) => spread.count > 0),
    });
  }

  counter(
    "jobsvc_jobs_started_total",
    "Attempts that this process started, or handed to a worker over HTTP.",
    (lane) => lane.started,
  );
  counterByOutcome(
    "jobsvc_jobs_ended_total",
    "Attempts that ended in this process, those among them whose ending came too late included.",
    (lane) => lane.ended,
  );
  counterByOutcome(
    "jobsvc_jobs_retried_total",
    "Attempts that ended in this process and are followed by another one.",
    (lane) => lane.retried,
  );
  counter(
    "jobsvc_lost_endings_total",
    "Endings that came too late: somebody else had ended the attempt, and the handler's work was dropped.",
    (lane) => lane.lost,
  );
  histogram(
    "jobsvc_job_wait_seconds",
    "From the moment when a job was due until a worker took it.",
    (lane) => lane.wait,
  );
  histogram("jobsvc_job_run_seconds", "How long an attempt ran.", (lane) => lane.run);
  const slots = new Gauge({
    name: "jobsvc_worker_slots",
    help: "How many jobs of a queue this process runs at most at the same time.",
    labelNames: ["queue"],
    registers: [registry],
  });
  for (const { name, slots: count } of queues) slots.set({ queue: name }, count);
  new Gauge({
    name: "jobsvc_worker_slots_in_use",
    help: "How many jobs of a queue this process runs.",
    labelNames: ["queue"],
    registers: [registry],
    collect() {
      for (const [queue, jobs] of inUse) this.set({ queue }, jobs);
    },
  });

  function use(queue: string, more: number) {
    inUse.set(queue, (inUse.get(queue) ?? 0) + more);
  }

  function begin({ kind, queue, waited_ms }: Events["job.taken"]) {
    const lane = known.of(kind, queue);
    lane.started++;
    lane.wait.add(waited_ms / 1_000);
  }

  function over({ kind, queue, outcome, ms, retry_in_ms }: Events["job.reported"]) {
    const lane = known.of(kind, queue);
    count(lane.ended, outcome);
    lane.run.add(ms / 1_000);
    if (retry_in_ms !== undefined) count(lane.retried, outcome);
  }

  function end(fields: Events["job.reported"]) {
    over(fields);
    use(fields.queue, -1);
  }

  return {
    "job.started"(fields) {
      begin(fields);
      use(fields.queue, 1);
    },
    "job.taken": begin,
    "job.reported": over,
    "job.timed_out": (fields) => over({ ...fields, outcome: "failed" }),
    "job.ended": end,
    "job.broken_off": end,
    "job.retrying": end,
    "job.ending_lost": ({ kind, queue }) => void known.of(kind, queue).lost++,
  };
}

function count(counts: Record<string, number>, outcome: string) {
  counts[outcome] = (counts[outcome] ?? 0) + 1;
}
