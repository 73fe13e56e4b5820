import type {
  Contender,
  Done,
  Drain,
  Endpoints,
  Insert,
  Latency,
  Progress,
  Session,
  Single,
  Steady,
  Tasks,
} from "../contender.ts";
import { residentMb } from "../memory.ts";
import { percentile } from "../percentile.ts";
import type { BenchDatabase } from "../postgres.ts";
import { type Speaker, speaker } from "../speaker.ts";
import { AHEAD, STEADY_BATCH, STEADY_CALLS } from "../steady_load.ts";

/** What a rival needs beside the database: a server of its own. */
export interface Backing {
  /** What its clients are told. */
  url: string;
  stop(): Promise<void>;
}

export interface Rival {
  name: string;
  version: string;
  mode: "fastest" | "default";
  through: string;
  store: Contender["store"];
  tasks: readonly (keyof Tasks)[];
  missing(): Promise<string | undefined>;
  /** The command that does one task for it: see rivals/driver.mjs. */
  driver: readonly string[];
  backing?(database: BenchDatabase): Promise<Backing>;
  endpoints?(backing: Backing): Promise<Endpoints>;
}

/** A rival, each of whose tasks is done by processes of its own in its own language. */
export function rivalContender(rival: Rival): Contender {
  const { name, version, mode, through, store, tasks, missing } = rival;
  return { name, version, mode, through, store, tasks, missing, open: (database) => open(rival, database) };
}

async function open(rival: Rival, database: BenchDatabase): Promise<Session> {
  const backing = (await rival.backing?.(database)) ?? { url: database.url, stop: async () => {} };
  const start = (task: string, options: object = {}) =>
    speaker([...rival.driver, rival.mode, backing.url, task, JSON.stringify(options)]);

  async function once<Answer>(task: string, options: object = {}): Promise<Answer> {
    const process = start(task, options);
    const answer = await process.hear<Answer>();
    await process.finish();
    return answer;
  }

  await once("prepare");
  return {
    insert: async (insert: Insert) => (await once<{ seconds: number }>("insert", insert)).seconds,
    async single({ callers, seconds }: Single) {
      const options = { callers, jobs: Number.MAX_SAFE_INTEGER, limitMs: seconds * 1_000 };
      const { ms, seconds: took } = await once<{ ms: number[]; seconds: number }>("single", options);
      return { jobs: ms.length, seconds: took, p50: percentile(ms, 0.5), p99: percentile(ms, 0.99) };
    },
    async drain(drain: Drain) {
      const process = start("drain", drain);
      await process.hear();
      process.tell({ go: true });
      const done = await process.hear<Done>();
      await process.finish();
      return done;
    },
    async steady({ seconds, onStarted }: Steady) {
      const producer = start("produce", { batch: STEADY_BATCH, calls: STEADY_CALLS, ahead: AHEAD });
      const worker = start("keep_working");
      await Promise.all([producer.hear(), worker.hear()]);
      onStarted?.();
      const progress = await follow(worker, seconds, (done) => producer.tell({ done }));
      await Promise.all([producer.finish(), worker.finish()]);
      return progress;
    },
    async latency({ samples, processes, limitMs }: Latency) {
      if (processes === 1) return (await once<{ ms: number[] }>("latency", { samples, limitMs })).ms;
      return await latencyAcross(start("ping"), start("stamp"), samples, limitMs);
    },
    async footprint(jobs: number) {
      const began = performance.now();
      const process = start("keep_working");
      await process.hear();
      const startMs = performance.now() - began;
      const idleMb = await residentMb(process.pid);
      await once("insert", { jobs });
      while ((await process.hear<{ done: number }>()).done < jobs);
      const busyMb = await residentMb(process.pid);
      await process.finish();
      return { startMs, idleMb, busyMb };
    },
    ...(rival.endpoints && { endpoints: () => rival.endpoints!(backing) }),
    close: () => backing.stop(),
  };
}

async function follow(worker: Speaker, seconds: number, onDone: (done: number) => void): Promise<Progress[]> {
  const progress: Progress[] = [];
  const started = performance.now();
  while (performance.now() - started < seconds * 1_000) {
    const { done } = await worker.hear<{ done: number }>();
    progress.push({ ms: performance.now() - started, done });
    onDone(done);
  }
  return progress;
}

async function latencyAcross(
  ping: Speaker,
  stamp: Speaker,
  samples: number,
  limitMs: number,
): Promise<number[]> {
  await Promise.all([ping.hear(), stamp.hear()]);
  const ms: number[] = [];
  const began = performance.now();
  while (ms.length < samples && performance.now() - began < limitMs) {
    ping.tell({ send: true });
    ms.push((await stamp.hear<{ ms: number }>()).ms);
    await Bun.sleep(10 + 20 * Math.random());
  }
  await Promise.all([ping.finish(), stamp.finish()]);
  return ms;
}
