import type { User } from "./as_user.ts";
import { EmbeddedError } from "./errors.ts";
import { lastLines } from "./server_log.ts";

/**
 * The whole environment of PostgreSQL's programs. The user's own would let a forgotten PGDATA or PGPORT
 * decide what happens, and his language would be that of the log lines that we quote.
 */
export const ENVIRONMENT = { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

/** Runs one of PostgreSQL's programs to its end and answers its output; what fails is quoted. */
export async function runTool(command: string[], user: User | undefined): Promise<string> {
  const child = spawnOrExplain(command, user);
  const [out, complaint, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code === 0) return out;
  throw new EmbeddedError(`${command[0]} failed (exit ${code}):\n${lastLines(complaint || out)}`);
}

function spawnOrExplain(command: string[], user: User | undefined) {
  try {
    // The root directory is one that every user may enter; ours may be closed to the server's user.
    return Bun.spawn(command, { ...user, cwd: "/", env: ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"] });
  } catch (cause) {
    throw new EmbeddedError(`${command[0]} does not start: ${(cause as Error).message}`, { cause });
  }
}
