import { onTestFinished } from "bun:test";
import { join } from "node:path";
import { type LoadedHandler, loadHandler } from "../../src/handlers/load.ts";
import { type Threads, threads } from "../../src/worker/threads.ts";
import type { TestDatabase } from "./database.ts";
import { type Recorder, recorder } from "./events.ts";
import { folderWith } from "./folder.ts";
import { startWorker } from "./worker.ts";

/** For tests in which nothing runs in a thread. */
export const NO_THREADS: Threads = threads({ workerId: "none", files: new Map(), limit: 1, emit: () => {} });

/** The text of a handler's file that runs in a thread: what `run` does with `payload` and `context`, and more members. */
export function threadFile(kind: string, body: string, members = ""): string {
  return `import { defineJob, HandlerError, Snooze, Type } from "jobsvc";
let runs = 0;
export default defineJob({
  kind: "${kind}",
  payload: Type.Any(),
  thread: true,
  retry: { type: "fixed", delayMs: 0 },
  ${members}
  async run(payload, context) {
    runs++;
    ${body}
  },
});
`;
}

/** Handlers that run in threads, by their kind: what their `run` does, or their whole file. */
export async function threadHandlers(handlers: Record<string, string>): Promise<LoadedHandler[]> {
  const files = Object.entries(handlers).map(([kind, text]) => [
    `${kind}.ts`,
    text.includes("defineJob") ? text : threadFile(kind, text),
  ]);
  const folder = await folderWith(Object.fromEntries(files));
  return await Promise.all(files.map(([name]) => loadHandler(join(folder, name!))));
}

export function filesOf(handlers: readonly LoadedHandler[]): Map<string, string> {
  return new Map(handlers.map(({ file, definition }) => [definition.kind, file]));
}

/** Threads without a worker, ended with the test. */
export function startThreads(handlers: readonly LoadedHandler[], limit = 10): Threads & Recorder {
  const events = recorder();
  const started = threads({ workerId: "1", files: filesOf(handlers), limit, emit: events.emit });
  onTestFinished(() => started.stop());
  return { ...started, ...events };
}

/** A worker for these handlers, and for others that run on the main thread. */
export async function startThreadWorker(
  db: TestDatabase,
  handlers: readonly LoadedHandler[],
  changes: Parameters<typeof startWorker>[2] & { definitions?: Parameters<typeof startWorker>[1] } = {},
) {
  const { definitions = [], ...parts } = changes;
  return await startWorker(db, [...definitions, ...handlers.map(({ definition }) => definition)], {
    handlerFiles: filesOf(handlers),
    pollIntervalMs: 50,
    ...parts,
  });
}
