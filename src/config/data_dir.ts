import type { Environment } from "./environment.ts";

/** Where a service without a home keeps its state. */
const SYSTEM_DATA_DIR = "/var/lib/jobsvc";

/** Where data belongs when nobody says: systemd's state directory, or the user's data folder as freedesktop.org has it. */
export function defaultDataDir(env: Environment): string {
  const state = env.STATE_DIRECTORY?.split(":")[0];
  if (state) return state;
  // The specification tells to ignore a relative path here.
  if (env.XDG_DATA_HOME?.startsWith("/")) return `${trimmed(env.XDG_DATA_HOME)}/jobsvc`;
  return env.HOME?.startsWith("/") ? `${trimmed(env.HOME)}/.local/share/jobsvc` : SYSTEM_DATA_DIR;
}

function trimmed(folder: string): string {
  return folder.replace(/\/+$/, "");
}
