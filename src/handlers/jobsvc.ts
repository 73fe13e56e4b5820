// The module `jobsvc`, as handlers outside of the executable import it: the values when they run, the types in an editor.
export { type Static, type TSchema, Type } from "@sinclair/typebox";
export { HandlerError, Snooze } from "../job/errors.ts";
export type { RetryDecision, RetryPolicy } from "../job/retry.ts";
export { defineJob, type JobContext, type JobDefinition, type JobInfo } from "./define.ts";
