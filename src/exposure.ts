import { anyKeys } from "./access/keys.ts";
import { isLoopback } from "./access/loopback.ts";
import { EXIT_CONFIGURATION } from "./config/exit_codes.ts";
import { flagOf, variableOf } from "./config/names.ts";
import { CommandError } from "./config/parse.ts";
import type { Settings } from "./config/settings.ts";
import { connect, type DatabaseAddress } from "./db/connect.ts";

/**
 * Answers whether callers need a key. Refuses to start a server that others can reach while there is none, be it in
 * the settings or in the database.
 */
export async function checkExposure(address: DatabaseAddress, settings: Settings): Promise<boolean> {
  if (settings.apiKeys.length > 0) return true;
  if (settings.role === "worker") return false; // it serves nobody
  const { known, live } = await readKeys(address);
  if (isLoopback(settings.host) || live) return known;
  throw new CommandError(
    [
      `${flagOf("host")}: ${settings.host} is open to others, and without a key everybody may call: ` +
        `set ${variableOf("apiKeys")}, or listen on 127.0.0.1; jobsvc keys create makes a key, too`,
    ],
    EXIT_CONFIGURATION,
  );
}

async function readKeys(address: DatabaseAddress) {
  const db = connect({ address, name: "jobsvc start", connections: 1, prepare: false });
  try {
    return await anyKeys(db);
  } finally {
    await db.close();
  }
}
