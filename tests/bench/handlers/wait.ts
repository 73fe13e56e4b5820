import { defineJob, Type } from "jobsvc";

/** Takes as long as its payload says, like a call to somebody else. */
export default defineJob({
  kind: "wait",
  payload: Type.Object({ ms: Type.Number() }),
  run: ({ ms }) => Bun.sleep(ms),
});
