import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/** What users run. Made anew for each benchmark, so that the figures belong to the sources as they stand here. */
export const EXECUTABLE = join(ROOT, "jobsvc");

export async function buildExecutable(): Promise<void> {
  const build = Bun.spawn([process.execPath, "src/build.ts"], {
    cwd: ROOT,
    stdout: "ignore",
    stderr: "inherit",
  });
  if ((await build.exited) !== 0) throw new Error("the executable cannot be built");
}
