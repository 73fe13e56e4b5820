import { Type } from "@sinclair/typebox";
import { HandlerError, Snooze } from "../job/errors.ts";
import { defineJob } from "./define.ts";

/** What `import … from "jobsvc"` gives to the files of users. */
const EXPORTS = { defineJob, Type, HandlerError, Snooze };

let provided = false;

/**
 * Makes the module `jobsvc` importable for files outside of the executable. Each thread has modules of its own, so each
 * that loads handlers calls this; a repeat changes nothing.
 */
export function provideModule(): void {
  if (provided) return;
  provided = true;
  Bun.plugin({
    name: "jobsvc",
    setup: (build) => void build.module("jobsvc", () => ({ loader: "object", exports: EXPORTS })),
  });
}
