import { defineJob, Type } from "jobsvc";

/** Says when it started, by the clock that all processes of a machine share. */
export default defineJob({
  kind: "stamp",
  payload: Type.Unknown(),
  run: () => performance.timeOrigin + performance.now(),
});
