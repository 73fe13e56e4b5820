import type { Progress, Steady } from "../contender.ts";
import { AHEAD, STEADY_BATCH, STEADY_CALLS } from "../steady_load.ts";
import { type Client, jobBody } from "./jobsvc_client.ts";

const LOOK_EVERY_MS = 50;

/** Inserts over HTTP as fast as it goes, but never more than `AHEAD` jobs ahead of those that are done. */
export async function steady(
  http: Client,
  done: () => Promise<number>,
  { seconds, onStarted }: Steady,
): Promise<Progress[]> {
  const progress: Progress[] = [];
  const before = await done();
  const started = performance.now();
  let [sent, finished, stopped] = [0, 0, false];

  async function insert() {
    while (!stopped) {
      if (sent - finished >= AHEAD) await Bun.sleep(1);
      else {
        sent += STEADY_BATCH;
        const from = sent - STEADY_BATCH;
        await http.insertBatch(Array.from({ length: STEADY_BATCH }, (_, at) => jobBody(from + at)));
      }
    }
  }

  const inserting = Promise.all(Array.from({ length: STEADY_CALLS }, insert));
  onStarted?.();
  while (performance.now() - started < seconds * 1_000) {
    await Bun.sleep(LOOK_EVERY_MS);
    finished = (await done()) - before;
    progress.push({ ms: performance.now() - started, done: finished });
  }
  stopped = true;
  await inserting;
  return progress;
}
