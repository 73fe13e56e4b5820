import { recordAudit } from "../access/audit.ts";
import { COMMAND_LINE } from "../access/principal.ts";
import { rotateSecrets } from "../agents/rotate.ts";
import { secrets } from "../agents/secrets.ts";
import { EXIT_CONFIGURATION, EXIT_USAGE } from "../config/exit_codes.ts";
import { variableOf } from "../config/names.ts";
import { CommandError } from "../config/parse.ts";
import type { Settings } from "../config/settings.ts";
import { onDatabase } from "../database.ts";
import { secretsKeys } from "../secrets_keys.ts";
import type { Printer } from "./printer.ts";

/** `jobsvc agents rotate-secrets`. */
export async function agentsCommand(
  words: readonly string[],
  settings: Settings,
  { data }: Printer,
): Promise<void> {
  if (words.join(" ") !== "rotate-secrets")
    throw new CommandError(["agents: say rotate-secrets"], EXIT_USAGE);
  await onDatabase(settings, "jobsvc agents", async (db, dataDir) => {
    const kept = secrets(secretsKeys(settings, dataDir));
    if (kept.keyId === undefined) throw refused(`there is no key: set ${variableOf("secretsKeys")}`);
    const { rotated, unreadable } = await rotateSecrets(db, kept);
    if (rotated > 0)
      await recordAudit(db, {
        principal: COMMAND_LINE,
        action: "agents.rotate",
        detail: { rotated, key: kept.keyId },
      });
    data(`Agents whose secrets were encrypted anew, under the key ${kept.keyId}: ${rotated}`);
    if (unreadable.length === 0) return;
    throw refused(
      `none of the keys of ${variableOf("secretsKeys")} reads the secrets of ${unreadable.join(", ")}: ` +
        "add the key that encrypted them, or register these agents anew",
    );
  });
}

function refused(problem: string): CommandError {
  return new CommandError([`agents rotate-secrets: ${problem}`], EXIT_CONFIGURATION);
}
