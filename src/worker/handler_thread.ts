/// <reference lib="webworker" />
import type { JobDefinition, JobInfo } from "../handlers/define.ts";
import { loadHandler } from "../handlers/load.ts";
import { type StoredError, storedError } from "../job/errors.ts";
import type { Outcome } from "../job/outcome.ts";
import { resultText } from "../job/result.ts";
import { TimeoutError, type Verdict, verdictOn } from "../job/verdict.ts";
import { Breaker } from "./breaker.ts";
import { type Said, threadReporter } from "./thread_reporter.ts";

/** A job as its thread gets it: one at a time. */
export interface ThreadTask {
  /** Where its handler is. */
  file: string;
  job: JobInfo;
  attempt: number;
  /** Failures before this attempt. */
  failures: number;
}

/** What the main thread says. */
export type ToThread =
  | ({ type: "run" } & ThreadTask)
  | { type: "abort"; reason: Outcome | { timeLimitMs: number } };

/** What the thread says while a handler runs, which begins once it is loaded. */
export type OnTheWay = { type: "started" } | Said;

/** What it says at the end. What the handler threw is judged here, where it is the error itself and not what is left of it. */
export type Answer =
  | { type: "returned"; result: string | null }
  | { type: "threw"; verdict: Verdict; complaint: StoredError | undefined };

/** What the thread says; the last are its last words, when something was thrown that nobody caught. */
export type FromThread = OnTheWay | Answer | { type: "died"; error: StoredError };

declare const self: DedicatedWorkerGlobalScope;

let breaker = new Breaker();

self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  if (data.type === "run") void run(data);
  else
    breaker.abort(typeof data.reason === "string" ? data.reason : new TimeoutError(data.reason.timeLimitMs));
};

// The thread ends of it; the main thread would hear nothing but a page of source code.
self.addEventListener("error", ({ error }) => say({ type: "died", error: storedError(error) }));

/** Everything that the handler's own code can bring about happens here, and what goes to the main thread is plain text. */
async function run({ file, job, attempt, failures }: ThreadTask) {
  const own = new Breaker();
  breaker = own;
  const { close, ...reporter } = threadReporter(say);
  let definition: JobDefinition | undefined;
  let complaint: StoredError | undefined;
  let answer: Answer;
  try {
    ({ definition } = await loadHandler(file));
    say({ type: "started" });
    const output = await definition.run(JSON.parse(job.payloadText), {
      job,
      attempt,
      get signal() {
        return own.signal;
      },
      ...reporter,
    });
    answer = { type: "returned", result: resultText(output) };
  } catch (thrown) {
    const verdict = verdictOn(thrown, {
      retry: definition?.retry,
      failures,
      maxAttempts: job.maxAttempts,
      random: Math.random(),
      complain(error) {
        complaint = storedError(error);
      },
    });
    answer = { type: "threw", verdict, complaint };
  }
  close();
  say(answer);
}

function say(message: FromThread) {
  self.postMessage(message);
}
