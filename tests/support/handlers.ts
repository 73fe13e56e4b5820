import { Type } from "@sinclair/typebox";
import type { JobContext, JobDefinition, JobInfo } from "../../src/handlers/define.ts";
import { newJob } from "./factory.ts";
import { SILENT } from "./reporter.ts";

/** A kind whose payload may be anything. */
export function handler(
  run: (payload: unknown, context: JobContext) => unknown,
  changes: Partial<JobDefinition> = {},
): JobDefinition {
  return { kind: "ai_agent", payload: Type.Unknown(), run, ...changes };
}

/** Heeds no signal and never ends. */
export const stubborn = () => new Promise<never>(() => {});

/** Ends when it is told to, with an error. */
export function obedient(_payload: unknown, { signal }: JobContext): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** What a handler gets along with its payload, where no worker runs it. */
export function contextOf(
  changes: Partial<Omit<JobContext, "job">> & { job?: Partial<JobInfo> } = {},
): JobContext {
  const { payload: payloadText, ...asked } = newJob();
  return {
    ...SILENT,
    attempt: 1,
    signal: new AbortController().signal,
    spent: () => {},
    ...changes,
    job: { ...asked, payloadText, leaseId: crypto.randomUUID(), traceparent: null, ...changes.job },
  };
}
