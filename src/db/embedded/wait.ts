/** Often enough not to be noticed at a start, seldom enough to cost nothing. */
const ASK_EVERY_MS = 15;

/** Asks until there is an answer; undefined when there was none in time. */
export async function waitFor<T>(
  ms: number,
  ask: () => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  const until = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || performance.now() >= until) return answer;
    await Bun.sleep(ASK_EVERY_MS);
  }
}
