import { EXIT_CONFIGURATION } from "./config/exit_codes.ts";
import { CommandError } from "./config/parse.ts";
import { LoadError, type LoadedHandler, loadHandlers } from "./handlers/load.ts";

/** The user's own handlers. One that does not load ends the start as a wrong setting does. */
export async function ownHandlers(folders: readonly string[]): Promise<LoadedHandler[]> {
  try {
    return await loadHandlers(folders);
  } catch (error) {
    throw error instanceof LoadError ? new CommandError(error.problems, EXIT_CONFIGURATION) : error;
  }
}
