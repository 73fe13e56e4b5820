/** Twice what the slowest thing that a test waits for may take on a busy machine. */
const PATIENCE_MS = 15_000;
const LOOK_EVERY_MS = 5;

/** Waits for a fact: asks until the answer is not undefined or false, and answers it. Fails with `what` when it never is. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > giveUpAt) throw new Error(`waited ${patienceMs} ms for ${what}`);
    await Bun.sleep(LOOK_EVERY_MS);
  }
}
