/**
 * Makes questions of a key share statements: those that come while one is in flight go together in the next. Nothing is
 * kept between them, so every answer was read after its question came, and a change counts everywhere at once. It
 * costs a lone question nothing; under load one statement answers dozens.
 */
export function grouped<Key, Answer>(
  read: (keys: readonly Key[]) => Promise<Answer>,
): (...keys: Key[]) => Promise<Answer> {
  let inFlight: Promise<unknown> = Promise.resolve();
  let next: { keys: Set<Key>; answer: Promise<Answer> } | undefined;

  function nextGroup() {
    const keys = new Set<Key>();
    const answer = inFlight.then(() => {
      next = undefined;
      return read([...keys]);
    });
    inFlight = answer.catch(() => undefined); // told to those who wait for it
    return { keys, answer };
  }

  return (...keys) => {
    next ??= nextGroup();
    for (const key of keys) next.keys.add(key);
    return next.answer;
  };
}
