/**
 * Below those that systems give to connections that are opened (from 32,768 on Linux): one of these may be taken by any
 * connection before the process that is told of it listens there.
 */
const [FIRST, LAST] = [20_000, 32_000];

/** A port that nobody listens at, for a process that must be told one and cannot tell which it took. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (isFree(port)) return port;
  }
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
}
