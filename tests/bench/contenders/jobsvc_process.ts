import { join } from "node:path";
import { EXECUTABLE } from "../executable.ts";

/** Each file in it is a kind of job: `noop`, `wait`, `stamp`. */
const HANDLERS = join(import.meta.dir, "../handlers");

/** A key of the settings, as in production: it needs no look-up, where others cost an indexed one for each call. */
const KEY = "the-key-of-the-benchmark-0123456789";

/** What a key may do in a minute is for strangers, and far below what is measured here: 0 is no limit. */
const NO_LIMITS = { JOBSVC_ENQUEUE_PER_MINUTE: "0", JOBSVC_READ_PER_MINUTE: "0" };

/** Goes with every call to the API. */
export const AUTHORIZATION = `Bearer ${KEY}`;

export interface JobsvcProcess {
  pid: number;
  /** Where its API answers; empty for a worker. */
  url: string;
  /** From its start until it said that it is running. */
  startMs: number;
  stop(): Promise<void>;
}

/** Starts the executable, as users do, and waits until it says that it is running. */
export async function startJobsvc(databaseUrl: string, flags: readonly string[]): Promise<JobsvcProcess> {
  const started = performance.now();
  const child = Bun.spawn([EXECUTABLE, "--log-level=warn", `--handlers=${HANDLERS}`, "--port=0", ...flags], {
    env: { ...Bun.env, DATABASE_URL: databaseUrl, JOBSVC_API_KEYS: KEY, ...NO_LIMITS },
    stdio: ["ignore", "inherit", "pipe"],
  });
  const running = Promise.withResolvers<void>();
  let told = "";
  let startMs = 0;
  async function listen() {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      told += decoder.decode(chunk, { stream: true });
      if (startMs > 0 || !RUNNING.test(told)) continue;
      startMs = performance.now() - started;
      running.resolve();
    }
    running.reject(new Error(`jobsvc ended before it was running: ${told}`));
  }
  void listen();
  await running.promise;
  return {
    pid: child.pid,
    url: told.match(/http:\/\/[^/\s]+/)?.[0] ?? "",
    startMs,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

const RUNNING = /jobsvc is running[\s\S]*(\/swagger|no API in this process)/;

/** Brings the schema up to date and ends. */
export async function migrateJobsvc(databaseUrl: string): Promise<void> {
  const child = Bun.spawn([EXECUTABLE, "migrate"], {
    env: { ...Bun.env, DATABASE_URL: databaseUrl },
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await child.exited) !== 0) throw new Error("jobsvc migrate failed");
}
