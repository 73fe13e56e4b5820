import type { JobDefinition } from "../../src/handlers/define.ts";
import { registry } from "../../src/handlers/registry.ts";
import type { TakenJob } from "../../src/job/job.ts";
import type { Ending } from "../../src/job/outcome.ts";
import type { Usage } from "../../src/job/usage.ts";
import { Breaker } from "../../src/worker/breaker.ts";
import { runJob } from "../../src/worker/run.ts";

import type { Threads } from "../../src/worker/threads.ts";
import { newJob } from "./factory.ts";
import { handler } from "./handlers.ts";
import { SILENT } from "./reporter.ts";
import { NO_THREADS } from "./threads.ts";

/** A job as a worker holds it, of which the database knows nothing. */
export function taken(changes: Partial<TakenJob> = {}): TakenJob {
  const standing = { attempt: 1, failures: 0, losses: 0, waitedMs: 0, traceparent: null };
  return { ...newJob(), leaseId: crypto.randomUUID(), ...standing, ...changes };
}

export interface RunOptions {
  job?: Partial<TakenJob>;
  definition?: Partial<JobDefinition>;
  breaker?: Breaker;
  threads?: Threads;
  defaultTimeoutMs?: number;
  random?: number;
  complain?: (error: unknown) => void;
  spentInVain?: (usage: Usage) => void;
}

/** Runs one attempt with this handler, with the dice in the middle. */
export function run(work: JobDefinition["run"], options: RunOptions = {}): Promise<Ending | null> {
  const { breaker = new Breaker(), defaultTimeoutMs = 60_000, random = 0.5 } = options;
  const { complain = () => {}, spentInVain = () => {}, threads = NO_THREADS } = options;
  return runJob({
    job: taken(options.job),
    registry: registry([handler(work, options.definition)]),
    breaker,
    reporter: SILENT,
    threads,
    defaultTimeoutMs,
    random: () => random,
    complain,
    spentInVain,
  });
}
