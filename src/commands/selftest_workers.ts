export interface ThrowAwayWorker {
  /** Sends a signal and waits for the end. Answers the exit code. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<number>;
}

export interface ThrowAwayWorkers {
  /** In the order in which they were started. */
  all: readonly ThrowAwayWorker[];
  start(): void;
  kill(): Promise<void>;
}

export interface ThrowAwayWorkersParts {
  program: readonly string[];
  url: string;
  ttlMs: number;
  slots: number;
}

/** Worker processes that may be killed. None outlives this process. */
export function throwAwayWorkers({ program, url, ttlMs, slots }: ThrowAwayWorkersParts): ThrowAwayWorkers {
  const all: ThrowAwayWorker[] = [];
  const killing = () => Promise.all(all.map((worker) => worker.end("SIGKILL"))).then(() => undefined);
  process.on("exit", () => void killing());
  return {
    all,
    start() {
      const child = Bun.spawn(
        [
          ...program,
          "--role=worker",
          `--worker-ttl-ms=${ttlMs}`,
          `--queues=default:${slots}`,
          "--poll-interval-ms=200",
          "--log-format=json",
        ],
        // Not the environment of the operator: its settings are for the service.
        { env: { DATABASE_URL: url }, stdio: ["ignore", "ignore", "ignore"] },
      );
      all.push({
        end(signal) {
          child.kill(signal);
          return child.exited;
        },
      });
    },
    kill: killing,
  };
}
