import type { AskedJob } from "../job/job.ts";
import { readTraceparent } from "../job/traceparent.ts";

/** For the `detail.parameters` of a route that creates jobs. */
export const TRACEPARENT_HEADER = {
  name: "traceparent",
  in: "header" as const,
  required: false,
  description:
    "W3C Trace Context. Kept as `traceparent` in the metadata of the jobs, unless they have one of their own, and " +
    "passed on to clients' agents. What cannot be read is ignored.",
  schema: { type: "string" as const },
};

/** The jobs of a request, as parts of the trace in which it was made. */
export function traced(jobs: readonly AskedJob[], { headers }: Request): readonly AskedJob[] {
  const traceparent = readTraceparent(headers.get("traceparent"));
  if (traceparent === null) return jobs;
  return jobs.map((job) => ({ ...job, metadata: { traceparent, ...job.metadata } }));
}
