/** What shells answer for a process that a signal ended: this plus the signal's number. */
const SIGNALLED = 128;
const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * One Ctrl-C can come twice: the terminal sends it to the whole process group, and npm passes it on once more. Only
 * a signal that comes later than this is a second wish.
 */
const ECHO_MS = 250;

/** Resolves with the first signal that asks to stop. A second one ends the process at once, with the code of the signal. */
export function stopSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let askedAtMs: number | undefined;
  for (const [signal, number] of Object.entries(SIGNAL_NUMBERS)) {
    process.on(signal, () => {
      if (askedAtMs !== undefined && performance.now() - askedAtMs > ECHO_MS)
        process.exit(SIGNALLED + number);
      askedAtMs ??= performance.now();
      resolve(signal);
    });
  }
  return promise;
}
