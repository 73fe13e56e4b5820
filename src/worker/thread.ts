import { revived, type StoredError } from "../job/errors.ts";
import { TimeoutError } from "../job/verdict.ts";
import type { Answer, FromThread, OnTheWay, ThreadTask, ToThread } from "./handler_thread.ts";

/** The thread of a handler is gone, and its handler with it: by `process.exit`, or by an error that nobody caught. */
export class ThreadError extends Error {
  override name = "ThreadError";
}

/** Who hears of a job in a thread: of its way, and then either of its answer or of the thread's death. */
export interface Listener {
  hear(message: OnTheWay): void;
  answered(answer: Answer): void;
  died(error: ThreadError): void;
}

/** A thread as the main thread sees it. It runs one job after the other, never two at a time. */
export interface HandlerThread {
  run(task: ThreadTask, listener: Listener): void;
  /** Breaks the running job off: an outcome, or a TimeoutError. */
  abort(reason: unknown): void;
  /** Ends it at once, whatever it does, but for a call into native code, which comes back first. Nobody hears of it any more. */
  terminate(): void;
}

/** Starts a thread. `onIdleDeath` is told when it dies while it has nothing to do. */
export function handlerThread(onIdleDeath: (error: ThreadError) => void): HandlerThread {
  const worker = new Worker(new URL("./handler_thread.ts", import.meta.url).href);
  let running: Listener | undefined;
  let lastError: StoredError | undefined;
  let terminated = false;

  worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
    if (terminated) return;
    if (data.type === "died") lastError = data.error;
    else if (data.type === "returned" || data.type === "threw") end()?.answered(data);
    else running?.hear(data);
  };
  // Only what goes wrong before the thread can say it itself.
  worker.onerror = ({ message }) => {
    lastError ??= { name: "Error", message };
  };
  worker.addEventListener("close", (event) => {
    if (terminated) return;
    const error = deathOf(lastError, (event as CloseEvent).code);
    if (running) end()?.died(error);
    else onIdleDeath(error);
  });

  /** Answers who was listening. */
  function end(): Listener | undefined {
    const listener = running;
    running = undefined;
    return listener;
  }

  return {
    run(task, listener) {
      running = listener;
      say({ type: "run", ...task });
    },
    abort(reason) {
      const told = reason instanceof TimeoutError ? { timeLimitMs: reason.limitMs } : reason;
      say({ type: "abort", reason: told as Extract<ToThread, { type: "abort" }>["reason"] });
    },
    terminate() {
      terminated = true;
      worker.terminate();
    },
  };

  function say(message: ToThread) {
    worker.postMessage(message);
  }
}

function deathOf(lastError: StoredError | undefined, exitCode: number): ThreadError {
  if (!lastError) return new ThreadError(`the handler has ended its thread, with exit code ${exitCode}`);
  const { name, message } = lastError;
  return new ThreadError(`the handler's thread has died of what nobody caught: ${name}: ${message}`, {
    cause: revived(lastError),
  });
}
