/**
 * So long may one turn of the event loop go on starting jobs. What is asked of the database meanwhile is sent at its end:
 * of 50 ms the server stood idle for half. Below this the turns themselves cost more than that brings.
 */
const SLICE_MS = 5;

/**
 * Answers a function that says whether another job may be started in this turn of the event loop. Calls `onNextTurn` at
 * the next one, where it may.
 *
 * Handlers that keep the thread busy would come one after the other otherwise, for as long as there are any, and nothing
 * would be written or heard meanwhile.
 */
export function slices(onNextTurn: () => void): () => boolean {
  let begunMs: number | undefined;

  return () => {
    const nowMs = performance.now();
    if (begunMs === undefined) {
      begunMs = nowMs;
      setImmediate(() => {
        begunMs = undefined;
        onNextTurn();
      });
    }
    return nowMs - begunMs < SLICE_MS;
  };
}
