import type { Footprint } from "../contender.ts";
import { residentMb } from "../memory.ts";
import type { BenchDatabase } from "../postgres.ts";
import { doneIn } from "./jobsvc.ts";
import { client } from "./jobsvc_client.ts";
import { startJobsvc } from "./jobsvc_process.ts";

/** What a process has taken at its start it may give back soon after. */
const REST_MS = 2_000;
const LOOK_EVERY_MS = 20;

/** Of one process that does everything, on a database whose schema is there. */
export async function footprint(database: BenchDatabase, jobs: number): Promise<Footprint> {
  const process = await startJobsvc(database.url, ["--role=all"]);
  await Bun.sleep(REST_MS);
  const idleMb = await residentMb(process.pid);
  await client(process.url).insertAll({ jobs });
  while ((await doneIn(database)) < jobs) await Bun.sleep(LOOK_EVERY_MS);
  const busyMb = await residentMb(process.pid);
  await process.stop();
  return { startMs: process.startMs, idleMb, busyMb };
}
