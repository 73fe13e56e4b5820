import * as jobsvc from "./jobsvc.ts";

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
    setup: (build) => void build.module("jobsvc", () => ({ loader: "object", exports: { ...jobsvc } })),
  });
}
