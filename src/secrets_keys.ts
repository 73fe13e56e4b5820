import { makeKeyFile, readKeyFile } from "./agents/key_file.ts";
import { EXIT_CONFIGURATION } from "./config/exit_codes.ts";
import { CommandError } from "./config/parse.ts";
import type { Settings } from "./config/settings.ts";

const KEY_BYTES = 32;

/**
 * The keys for the secrets of agents: those of the settings, and with the embedded database the one that lies beside it,
 * which is made where the settings name none. `dataDir` is null for a database of somebody else's, where whoever
 * reads the tables must not find the key as well: there it has to be set.
 */
export function secretsKeys({ secretsKeys: set }: Settings, dataDir: string | null): readonly string[] {
  if (dataDir === null) return set;
  const beside = set.length > 0 ? readKeyFile(dataDir) : makeKeyFile(dataDir);
  if (beside === undefined) return set;
  if (Buffer.from(beside, "base64").byteLength === KEY_BYTES) return [...set, beside];
  throw new CommandError(
    [
      `the key for secrets in ${dataDir} is damaged: restore it from a copy, or move it away; ` +
        "the secrets of agents that it encrypted have to be sent again then",
    ],
    EXIT_CONFIGURATION,
  );
}
