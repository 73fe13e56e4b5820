import { type Action, recordAudit } from "../access/audit.ts";
import { createKey, type KeyRecord, listKeys, revokeKey } from "../access/keys.ts";
import { COMMAND_LINE } from "../access/principal.ts";
import { EXIT_USAGE } from "../config/exit_codes.ts";
import type { KeysArguments } from "../config/keys_arguments.ts";
import { CommandError } from "../config/parse.ts";
import type { Settings } from "../config/settings.ts";
import { onDatabase } from "../database.ts";
import type { Database } from "../db/connect.ts";
import { sentence } from "../observability/text.ts";
import { readKeysAction } from "./keys_words.ts";
import { columns, type Printer } from "./printer.ts";

const PAGE = 200;

/** `jobsvc keys …`. */
export async function keysCommand(words: KeysArguments, settings: Settings, printer: Printer): Promise<void> {
  const action = readKeysAction(words);
  await onDatabase(settings, "jobsvc keys", async (db) => {
    if (action.action === "create") await create(db, action.key, printer);
    else if (action.action === "revoke") await revoke(db, action.id, printer);
    else for (const line of await table(db)) printer.data(line);
  });
}

async function create(db: Database, key: Parameters<typeof createKey>[1], { data, note }: Printer) {
  const created = await createKey(db, key);
  if (!created) throw new CommandError(["--expires: is over already"], EXIT_USAGE);
  await audit(db, "key.create", created.record);
  data(created.text);
  note(`This is the key ${created.record.id}. It is shown this once: keep it.`);
}

async function revoke(db: Database, id: string, { note }: Printer) {
  const revoked = await revokeKey(db, id);
  if (!revoked) throw new CommandError([`keys revoke: there is no key ${id}`], EXIT_USAGE);
  if (revoked.now) await audit(db, "key.revoke", revoked.record);
  note(`The key ${id} ${revoked.now ? "opens nothing any more" : "had been revoked before"}.`);
}

function audit(db: Database, action: Action, { id, name }: KeyRecord) {
  return recordAudit(db, { principal: COMMAND_LINE, action, detail: { key_id: id, name } });
}

async function table(db: Database): Promise<string[]> {
  const rows = [["ID", "NAME", "SCOPES", "USER", "TAKES", "STATE", "CREATED", "EXPIRES"]];
  for (let page = await listKeys(db, { limit: PAGE }); page.length > 0; ) {
    rows.push(...page.map(cells));
    page = page.length < PAGE ? [] : await listKeys(db, { limit: PAGE, before: page.at(-1)!.id });
  }
  return columns(rows);
}

function cells(key: KeyRecord): string[] {
  const { id, name, scopes, userId, state, createdAt, expiresAt } = key;
  const expires = expiresAt?.toISOString() ?? "never";
  const whose = userId ?? "all";
  return [id, sentence(name), scopes.join(","), whose, takes(key), state, createdAt.toISOString(), expires];
}

/** What its workers may take. */
function takes({ scopes, queues, kinds }: KeyRecord): string {
  if (!scopes.some((scope) => scope === "jobs:work" || scope === "admin")) return "nothing";
  if (kinds === null && queues === null) return "all";
  return `${kinds?.join(",") ?? "all kinds"} of ${queues?.join(",") ?? "all queues"}`;
}
