/**
 * Lets two acts meet, in an order that the round decides: both at once with the one or the other sent first, and
 * in every second pair of rounds one after the other. What happens at once is up to the machine, and on some of
 * them one side always wins; with the orders that are certain, every outcome is seen in four rounds.
 */
export async function meeting<One, Other>(
  round: number,
  one: () => Promise<One>,
  other: () => Promise<Other>,
): Promise<[One, Other]> {
  switch (round % 4) {
    case 0:
      return Promise.all([one(), other()]);
    case 1: {
      const sent = other();
      return Promise.all([one(), sent]);
    }
    case 2: {
      const done = await one();
      return [done, await other()];
    }
    default: {
      const done = await other();
      return [await one(), done];
    }
  }
}
