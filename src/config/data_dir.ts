import type { Environment } from "./environment.ts";

/** Where a service without a home keeps its state. */
const SYSTEM_DATA_DIR = "/var/lib/jobsvc";

/** Nobody else may enter them, and PostgreSQL refuses to run as root: its user could not reach its own data there. */
const HOMES_OF_ROOT = new Set(["/root", "/var/root"]);

/** Where data belongs when nobody says: systemd's state directory, or the user's data folder as freedesktop.org has it. */
export function defaultDataDir(env: Environment): string {
  const state = env.STATE_DIRECTORY?.split(":")[0];
  if (state) return state;
  // The specification tells to ignore a relative path here.
  if (env.XDG_DATA_HOME?.startsWith("/")) return `${trimmed(env.XDG_DATA_HOME)}/jobsvc`;
  if (!env.HOME?.startsWith("/") || HOMES_OF_ROOT.has(trimmed(env.HOME))) return SYSTEM_DATA_DIR;
  return `${trimmed(env.HOME)}/.local/share/jobsvc`;
}

function trimmed(folder: string): string {
  return folder.replace(/\/+$/, "");
}
