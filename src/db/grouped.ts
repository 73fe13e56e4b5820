import { isUnavailable } from "./deadline.ts";

interface Group<Key, Answer> extends PromiseWithResolvers<Answer> {
  keys: Set<Key>;
}

/**
 * Makes questions of a key share statements: those that come while one is in flight go together in the next. Nothing is
 * kept between them, so every answer was read after its question came, and a change counts everywhere at once. It
 * costs a lone question nothing; under load one statement answers dozens.
 *
 * A group of `fullAt` keys goes without waiting for the one in flight: for answers so large that one statement must not
 * carry too many of them, and that are worth making at the same time.
 */
export function grouped<Key, Answer>(
  read: (keys: readonly Key[]) => Promise<Answer>,
  fullAt = Number.POSITIVE_INFINITY,
): (...keys: Key[]) => Promise<Answer> {
  let waiting: Group<Key, Answer> | undefined;
  let inFlight = false;

  async function flush() {
    if (inFlight) return;
    inFlight = true;
    await undefined; // those who ask in the same moment go together
    for (let group = next(); group; group = next()) await answer(group);
    inFlight = false;
  }

  async function answer(group: Group<Key, Answer>) {
    try {
      group.resolve(await read([...group.keys]));
    } catch (error) {
      group.reject(error);
      // Who came while the database did not answer has waited as well: one more try would double his time.
      if (isUnavailable(error)) next()?.reject(error);
    }
  }

  function next() {
    const group = waiting;
    waiting = undefined;
    return group;
  }

  return (...keys) => {
    waiting ??= { ...Promise.withResolvers<Answer>(), keys: new Set() };
    for (const key of keys) waiting.keys.add(key);
    const { promise, keys: asked } = waiting;
    if (asked.size < fullAt) void flush();
    else void answer(next()!);
    return promise;
  };
}
