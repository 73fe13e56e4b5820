import { version } from "../../../package.json";
import type { Contender, Latency, Session, Steady } from "../contender.ts";
import type { BenchDatabase } from "../postgres.ts";
import { wrk } from "../wrk.ts";
import { client, jobBody } from "./jobsvc_client.ts";
import { crowd } from "./jobsvc_crowd.ts";
import { footprint } from "./jobsvc_footprint.ts";
import { AUTHORIZATION, migrateJobsvc, startJobsvc } from "./jobsvc_process.ts";
import { steady } from "./jobsvc_steady.ts";

/** Its public way: the executable, HTTP, a worker process that runs a real handler from a file for each job. */
export const jobsvc: Contender = {
  name: "jobsvc",
  mode: "as it comes",
  version,
  through:
    "the executable: HTTP with a key of the settings, and a worker process with handlers from files; history kept",
  store: "postgres",
  tasks: ["insert", "single", "drain", "steady", "latency", "crowd", "endpoints", "footprint"],
  missing: async () => undefined,
  open,
};

const LOOK_EVERY_MS = 10;

async function open(database: BenchDatabase): Promise<Session> {
  await migrateJobsvc(database.url);
  const api = await startJobsvc(database.url, ["--role=api"]);
  const http = client(api.url);
  const worker = (...flags: string[]) => startJobsvc(database.url, ["--role=worker", ...flags]);

  async function endpoints() {
    const id = await http.create(jobBody(0, { resource_type: "looked-at" }));
    const body = JSON.stringify(jobBody(0));
    return {
      url: api.url,
      authorization: AUTHORIZATION,
      create: { path: "/api/jobs/create", body },
      get: `/api/jobs/${id}`,
    };
  }

  return {
    async insert(insert) {
      const started = performance.now();
      await http.insertAll(insert);
      return (performance.now() - started) / 1_000;
    },
    async single({ callers, seconds }) {
      const load = await wrk(await endpoints(), "create", callers, seconds);
      return { ...load, jobs: load.requests };
    },
    async drain({ jobs, slots, limitMs }) {
      const before = await doneIn(database);
      await http.setPaused(true);
      const process = await worker(...(slots ? [`--queues=default:${slots}`] : []));
      const started = performance.now();
      await http.setPaused(false);
      let done = 0;
      while (done < jobs && performance.now() - started < limitMs) {
        await Bun.sleep(LOOK_EVERY_MS);
        done = (await doneIn(database)) - before;
      }
      const seconds = (performance.now() - started) / 1_000;
      await process.stop();
      return { jobs: done, seconds };
    },
    async steady(options: Steady) {
      const process = await worker();
      const progress = await steady(http, () => doneIn(database), options);
      await process.stop();
      return progress;
    },
    latency: (options) => latency(database, api.url, options),
    crowd: (options) => crowd(database, http, options),
    endpoints,
    footprint: (jobs) => footprint(database, jobs),
    close: () => api.stop(),
  };
}

/** Endings are counted in the statement that writes them. */
export async function doneIn({ sql }: BenchDatabase): Promise<number> {
  const [row] = await sql`select coalesce(sum(jobs), 0)::int as done from jobsvc.tallies`;
  return row!.done;
}

/** From before the HTTP call until the handler has started; its result says when that was. */
async function latency(database: BenchDatabase, api: string, { samples, processes, limitMs }: Latency) {
  const second = await startJobsvc(database.url, [processes === 1 ? "--role=all" : "--role=worker"]);
  const http = client(processes === 1 ? second.url : api);
  const ms: number[] = [];
  const began = performance.now();
  while (ms.length < samples && performance.now() - began < limitMs) {
    const sentAt = performance.timeOrigin + performance.now();
    const id = await http.create(jobBody(ms.length, { resource_type: "stamp" }));
    ms.push((await resultOf(database, id)) - sentAt);
    await Bun.sleep(10 + 20 * Math.random());
  }
  await second.stop();
  return ms;
}

async function resultOf({ sql }: BenchDatabase, id: string): Promise<number> {
  for (;;) {
    const [row] = await sql`select result::text as result from jobsvc.attempts where job_id = ${id}`;
    if (row) return Number(row.result);
    await Bun.sleep(LOOK_EVERY_MS);
  }
}
