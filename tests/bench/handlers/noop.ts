import { defineJob, Type } from "jobsvc";

/** Does nothing: all that is left is the service's own work. */
export default defineJob({ kind: "noop", payload: Type.Unknown(), run: () => undefined });
