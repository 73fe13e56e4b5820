import { EXIT_OK, EXIT_UNAVAILABLE } from "../config/exit_codes.ts";
import { folderChanges } from "./folder_changes.ts";
import { WATCHED_BY, WATCHED_PATIENCE_MS } from "./watched.ts";

export interface WatchParts {
  folders: readonly string[];
  /** Starts the service without watching. */
  command: readonly string[];
  env: Record<string, string | undefined>;
  /** Resolves with the name of the signal that asks to stop. */
  stopSignal: Promise<string>;
  /** What a person wants to know. */
  say(line: string): void;
}

/** A service that ends with one of these ends for other reasons than its handlers. */
const FOR_GOOD: readonly unknown[] = [EXIT_OK, EXIT_UNAVAILABLE];

/**
 * Runs the service as a process of its own, and starts it anew after every change in the folders. When it has failed, most
 * likely by a handler, the next change is waited for. Answers the exit code of the last one, once that was asked to stop
 * or has ended for good.
 */
export async function watch({ folders, command, env, stopSignal, say }: WatchParts): Promise<number> {
  const changes = folderChanges(folders, (error) => say(`jobsvc cannot look for changes: ${error}`));
  let isStopping = false;
  const stopping = stopSignal.then((signal) => {
    isStopping = true;
    return { signal: signal as NodeJS.Signals };
  });

  /** Answers undefined when another shall follow. */
  async function runOnce(): Promise<number | undefined> {
    const changed = changes.next().then(() => "changed" as const);
    const service = start(command, env);
    const first = await Promise.race([service.exited, changed, stopping]);
    if (first === "changed") {
      say("jobsvc: handlers have changed, starting anew");
      const code = await stop(service, "SIGTERM");
      return isStopping ? code : undefined;
    }
    if (typeof first === "object") return await stop(service, first.signal);
    if (FOR_GOOD.includes(first)) return first;
    say(`jobsvc: ended with ${first}, and starts anew after the next change in ${folders.join(", ")}`);
    return (await Promise.race([changed, stopping])) === "changed" ? undefined : first;
  }

  await changes.start();
  let code = await runOnce();
  while (code === undefined) code = await runOnce();
  await changes.stop();
  return code;
}

function start(command: readonly string[], env: WatchParts["env"]): Bun.Subprocess {
  return Bun.spawn([...command], {
    env: { ...env, [WATCHED_BY]: String(process.pid) },
    stdio: ["inherit", "inherit", "inherit"],
  });
}

/** Answers the exit code. A handler may be stuck so that its process hears no signal; that one is ended by force. */
async function stop(service: Bun.Subprocess, signal: NodeJS.Signals): Promise<number> {
  service.kill(signal);
  const force = setTimeout(() => service.kill("SIGKILL"), WATCHED_PATIENCE_MS);
  const code = await service.exited;
  clearTimeout(force);
  return code;
}
