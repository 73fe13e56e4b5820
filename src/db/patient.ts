import { isUnavailable } from "./deadline.ts";

/** Long enough not to trouble a database that is starting, short enough not to be noticed. */
const TRY_AGAIN_MS = 500;

/**
 * Asks until the database answers. For a job that has begun and has to know something: it must not fail because the
 * database is away for a moment. Other errors are thrown; how long the job may take is measured by whoever runs it.
 */
export async function patiently<T>(ask: () => Promise<T>, tryAgainMs = TRY_AGAIN_MS): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      await Bun.sleep(tryAgainMs);
    }
  }
}
