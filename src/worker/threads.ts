import type { TakenJob } from "../job/job.ts";
import { TimeoutError } from "../job/verdict.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import type { Breaker } from "./breaker.ts";
import type { Answer, OnTheWay, ThreadTask } from "./handler_thread.ts";
import { type Places, places } from "./places.ts";
import { type HandlerThread, handlerThread } from "./thread.ts";

export interface ThreadsParts {
  workerId: string;
  /** The file of each kind that runs in threads. */
  files: ReadonlyMap<string, string>;
  /** At most so many jobs run in threads at once. */
  limit: number;
  emit: Emit;
}

/** A job that is to run in a thread. */
export interface ThreadRun {
  job: TakenJob;
  task: Omit<ThreadTask, "file">;
  breaker: Breaker;
  hear(message: OnTheWay): void;
}

/** The threads of the handlers that should not stop others. They start when they are needed, and are used again. */
export interface Threads extends Service {
  /** Whoever takes jobs for threads takes places first and then `leave`s each job, so that none waits for a thread. */
  readonly places: Places;
  /** Throws a ThreadError when the thread dies meanwhile. Never settles when the thread has to be ended. */
  run(run: ThreadRun): Promise<Answer>;
  /** The job has ended. Its place is free as soon as its handler has ended, too, or was ended. */
  leave(job: TakenJob): void;
}

/** How long a handler may go on once its signal is aborted. Then its thread is ended. */
const HEED_LIMIT_MS = 1_000;
/** A thread that has nothing to do is kept for so long: to start one takes 20 ms, to keep one some megabytes. */
const IDLE_LIMIT_MS = 60_000;

export function threads({ workerId, files, limit, emit }: ThreadsParts): Threads {
  const idle = new Map<HandlerThread, ReturnType<typeof setTimeout>>();
  /** Jobs whose handler runs, though they may have ended already. */
  const busy = new Map<TakenJob, PromiseWithResolvers<void>>();
  /** Of these, the ones that have. */
  const left = new Set<TakenJob>();
  const free = places(limit);

  function run({ job, task, breaker, hear }: ThreadRun): Promise<Answer> {
    const file = files.get(job.kind);
    if (file === undefined) throw new Error(`the kind "${job.kind}" is in no file that a thread could load`);
    const thread = idleThread() ?? newThread();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    let patience: ReturnType<typeof setTimeout> | undefined;
    busy.set(job, Promise.withResolvers());

    breaker.signal.addEventListener("abort", () => {
      if (!busy.has(job)) return;
      thread.abort(breaker.reason);
      patience = setTimeout(end, HEED_LIMIT_MS);
    });
    thread.run(
      { file, ...task },
      {
        hear,
        answered(answer) {
          settle();
          keep(thread);
          resolve(answer);
        },
        died(error) {
          settle();
          reject(error);
        },
      },
    );
    return promise;

    function end() {
      thread.terminate();
      const { id: job_id, kind, queue, attempt } = job;
      const reason = breaker.reason instanceof TimeoutError ? "timed_out" : String(breaker.reason);
      emit("handler.terminated", { job_id, kind, queue, attempt, worker_id: workerId, reason });
      settle();
    }

    function settle() {
      clearTimeout(patience);
      busy.get(job)?.resolve();
      busy.delete(job);
      if (left.delete(job)) free.giveBack(1);
    }
  }

  /** The one that was used last: so those that nobody needs grow old. */
  function idleThread(): HandlerThread | undefined {
    const thread = [...idle.keys()].at(-1);
    if (thread) forget(thread);
    return thread;
  }

  function newThread(): HandlerThread {
    const thread = handlerThread((error) => {
      forget(thread);
      emit("step.failed", { step: "handler thread", error });
    });
    return thread;
  }

  function keep(thread: HandlerThread) {
    const end = () => {
      forget(thread);
      thread.terminate();
    };
    idle.set(thread, setTimeout(end, IDLE_LIMIT_MS));
  }

  function forget(thread: HandlerThread) {
    clearTimeout(idle.get(thread));
    idle.delete(thread);
  }

  return {
    name: "handler threads",
    places: free,
    run,
    leave(job) {
      if (busy.has(job)) left.add(job);
      else free.giveBack(1);
    },
    async start() {},
    /** After the pools: whatever is still busy here has been broken off, and has its time to heed that. */
    async stop() {
      await Promise.all([...busy.values()].map(({ promise }) => promise));
      for (const thread of [...idle.keys()]) {
        forget(thread);
        thread.terminate();
      }
    },
  };
}
