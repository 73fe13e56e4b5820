import { version } from "../../../package.json";
import { connect } from "../../../src/db/connect.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { MAX_BLOCK_SIZE } from "../../../src/queue/block.ts";
import { endAttempts } from "../../../src/queue/end.ts";
import { insertJobs } from "../../../src/queue/insert.ts";
import { inserter } from "../../../src/queue/inserter.ts";
import { ending, newJob, registered, take } from "../../support/factory.ts";
import type { Contender, Session } from "../contender.ts";
import { percentile } from "../percentile.ts";
import type { BenchDatabase } from "../postgres.ts";

/** The statements of jobsvc and nothing around them: no HTTP, no handlers, no processes. */
export const engine: Contender = {
  name: "jobsvc",
  mode: "engine alone",
  version,
  through: "its statements, called in the process of the benchmark; history kept",
  store: "postgres",
  tasks: ["insert", "single", "drain", "takes"],
  missing: async () => undefined,
  open,
};

const GROUP = 1_000;
const INSERTERS = 2;
const TAKE = 500;
/** As a worker asks, which knows how large blocks are: to lock all that might be needed would take as long again. */
const BLOCKS = TAKE / MAX_BLOCK_SIZE + 1;
const TAKERS = 4;
const KIND = "noop";
const PAYLOAD = JSON.stringify({ number: 123_456, text: "x".repeat(70) });

const job = (changes: object = {}) => newJob({ kind: KIND, payload: PAYLOAD, ...changes });

async function open({ url }: BenchDatabase): Promise<Session> {
  await migrate(url);
  const db = connect({ address: url, name: "jobsvc bench", connections: 6, prepare: true });
  const worker = await registered(db, { kinds: [KIND] });
  // Nobody beats for it, and it must not be taken for dead.
  await db.run((sql) => sql`update jobsvc.workers set expires_at = now() + interval '1 day'`);

  return {
    async insert({ jobs, dueInMs }) {
      const scheduledAt = dueInMs === undefined ? null : new Date(Date.now() + dueInMs);
      const started = performance.now();
      let left = jobs;
      await times(INSERTERS, async () => {
        while (left > 0) {
          const count = Math.min(GROUP, left);
          left -= count;
          await insertJobs(
            db,
            Array.from({ length: count }, () => job({ scheduledAt })),
          );
        }
      });
      return since(started);
    },
    async single({ callers, seconds }) {
      const grouped = inserter({ db, onWaiting() {} });
      const ms: number[] = [];
      const started = performance.now();
      await times(callers, async () => {
        while (since(started) < seconds) {
          const at = performance.now();
          await grouped.insert([job()]);
          ms.push(performance.now() - at);
        }
      });
      return {
        jobs: ms.length,
        seconds: since(started),
        p50: percentile(ms, 0.5),
        p99: percentile(ms, 0.99),
      };
    },
    async drain({ jobs, limitMs }) {
      let done = 0;
      const started = performance.now();
      await times(TAKERS, async () => {
        while (done < jobs && since(started) < limitMs / 1_000) {
          const taken = await take(db, worker, TAKE, { blocks: BLOCKS });
          if (taken.length === 0) return;
          const doneLeases = [...new Set(taken.map(({ leaseId }) => leaseId))];
          const endings = taken.map((one) => ending(one));
          const ended = await endAttempts(db, { workerId: worker.id, endings, doneLeases, nowMs: 0 });
          // Not in one with the await, which would add to what was done before it.
          done += ended.length;
        }
      });
      return { jobs: done, seconds: since(started) };
    },
    async takes(count) {
      const ms: number[] = [];
      for (let n = 0; n < count; n++) {
        const started = performance.now();
        await take(db, worker, TAKE, { blocks: BLOCKS });
        ms.push(performance.now() - started);
      }
      return ms;
    },
    close: () => db.close(),
  };
}

async function times(count: number, act: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, act));
}

function since(started: number): number {
  return (performance.now() - started) / 1_000;
}
