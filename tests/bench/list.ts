import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { ARRAY_TYPES } from "../../src/db/arrays.ts";
import { connect, type Database, openSingle, type Sql } from "../../src/db/connect.ts";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { migrate } from "../../src/db/migrate.ts";
import { type JobFilter, listJobs } from "../../src/queue/list.ts";
import { BIG_USER, SMALL_USER, writeHistory } from "./history.ts";

// How long a page of the list takes among a million jobs, for each filter: pages are followed from the newest to the
// oldest, and begun again where they end. `--plans` also prints how Postgres goes about it.

const { values: options } = parseArgs({
  options: {
    jobs: { type: "string", default: "1000000" },
    pages: { type: "string", default: "50" },
    limit: { type: "string", default: "50" },
    only: { type: "string", default: "" },
    plans: { type: "boolean", default: false },
  },
});
const [jobs, pages, limit] = [options.jobs, options.pages, options.limit].map(Number) as [
  number,
  number,
  number,
];

const PAGES_BEFORE_A_PLAN = 10;

const HOUR_MS = 60 * 60 * 1000;
const ago = (hours: number) => new Date(Date.now() - hours * HOUR_MS);

const FILTERS: Record<string, JobFilter> = {
  none: {},
  "state=scheduled": { state: "scheduled" },
  "state=available": { state: "available" },
  "state=running": { state: "running" },
  "state=retryable": { state: "retryable" },
  "state=completed": { state: "completed" },
  "state=failed": { state: "failed" },
  "state=cancelled": { state: "cancelled" },
  "kind, common": { kind: "ai_agent" },
  "kind, rare": { kind: "report" },
  "kind, of no job": { kind: "nothing" },
  "queue, common": { queue: "mail" },
  "queue, rare": { queue: "nightly" },
  "user, busy": { userId: BIG_USER },
  "user, ordinary": { userId: SMALL_USER },
  "user, unknown": { userId: "00000000-0000-4000-8000-999999999999" },
  "tag, on a third": { tag: "web" },
  "tag, on a hundredth": { tag: "vip" },
  "tag, rare": { tag: "incident-42" },
  "tag, unknown": { tag: "nothing" },
  "created, an hour": { createdAfter: ago(73), createdBefore: ago(72) },
  "created, the oldest": { createdBefore: ago(160) },
  "created, the last minute": { createdAfter: ago(1 / 60) },
  "failed, rare kind": { state: "failed", kind: "report" },
  "failed, busy user": { state: "failed", userId: BIG_USER },
  "completed, ordinary user": { state: "completed", userId: SMALL_USER },
  "cancelled, tag": { state: "cancelled", tag: "vip" },
  "available, queue": { state: "available", queue: "mail" },
  "running, rare kind": { state: "running", kind: "report" },
  "retryable, kind, created": { state: "retryable", kind: "ai_agent", createdBefore: ago(24) },
  "completed, created, queue": { state: "completed", queue: "mail", createdAfter: ago(73) },
};

const dataDir = await mkdtemp(join(tmpdir(), "jobsvc-bench-"));
const server = await startEmbedded({ dataDir });
try {
  await migrate(server.address);
  const sql = openSingle(server.address, "jobsvc bench");
  await writeHistory(sql, jobs);
  await sql.end();
  await measureAll();
} finally {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}

async function measureAll() {
  const db = connect({ address: server.address, name: "jobsvc bench", connections: 3, prepare: true });
  console.log(`${jobs} jobs; ${pages} pages of ${limit} for each filter, in ms\n`);
  console.log("| filter | median | minimum | 95 % | jobs a page |\n| --- | ---: | ---: | ---: | ---: |");
  for (const [name, filter] of Object.entries(FILTERS)) {
    if (!name.includes(options.only)) continue;
    const { ms, found } = await measure(db, filter);
    const figures = [at(ms, 0.5), at(ms, 0), at(ms, 0.95)].map((figure) => figure.toFixed(1));
    console.log(`| ${name} | ${figures.join(" | ")} | ${(found / pages).toFixed(1)} |`);
    if (options.plans) await explain(filter);
  }
  await db.close();
}

async function measure(db: Database, filter: JobFilter): Promise<{ ms: number[]; found: number }> {
  await listJobs(db, filter, { limit }); // what a first time costs is not the page's
  const ms: number[] = [];
  let found = 0;
  let before: string | undefined;
  for (let page = 0; page < pages; page++) {
    const started = performance.now();
    const { jobs, next } = await listJobs(db, filter, { limit, before });
    ms.push(performance.now() - started);
    found += jobs.length;
    before = next ?? undefined;
  }
  return { ms: ms.sort((a, b) => a - b), found };
}

/**
 * The plans of the last of several pages: after five times Postgres may plan a prepared statement for any parameters,
 * and that is what a living service runs with.
 */
async function explain(filter: JobFilter) {
  if (typeof server.address === "string") throw new Error("the embedded server is reached by its socket");
  let plans: string[] = [];
  const told = postgres({
    ...server.address,
    max: 1,
    fetch_types: false,
    types: ARRAY_TYPES,
    onnotice: ({ message }) => plans.push(message ?? ""),
  });
  await told.unsafe(
    "load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on;" +
      "set auto_explain.log_buffers = on; set auto_explain.log_level = notice",
  );
  const run = <Rows>(statement: (sql: Sql) => PromiseLike<Rows>) =>
    Promise.resolve(statement(told as unknown as Sql));
  let before: string | undefined;
  for (let page = 0; page < PAGES_BEFORE_A_PLAN; page++) {
    plans = [];
    const { next } = await listJobs({ run } as Database, filter, { limit, before });
    before = next ?? undefined;
  }
  console.log(`\n${plans.join("\n\n")}\n`);
  await told.end();
}

function at(sorted: number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}
