import { EXIT_USAGE } from "../config/exit_codes.ts";
import { CommandError } from "../config/parse.ts";
import type { Settings } from "../config/settings.ts";
import { place } from "../handlers/load_faults.ts";
import { newFolder, OccupiedError } from "../handlers/new_folder.ts";
import { ownHandlers } from "../own_handlers.ts";
import { columns, type Printer } from "./printer.ts";

/** Where handlers are, and where new ones go, when nobody says. */
const FOLDER = "handlers";

/** `jobsvc handlers …`: what somebody who writes handlers needs. No database is looked at. */
export async function handlersCommand(
  [verb, ...more]: readonly string[],
  settings: Settings,
  printer: Printer,
): Promise<void> {
  if (verb === "check" && more.length === 0) return await check(settings.handlers, printer);
  if (verb === "init" && more.length <= 1) return await init(more[0] ?? FOLDER, printer);
  throw new CommandError(["handlers: say check, init or init and a folder"], EXIT_USAGE);
}

async function check(folders: readonly string[], { data, note }: Printer) {
  const searched = folders.length > 0 ? folders : [FOLDER];
  const loaded = await ownHandlers(searched);
  const rows = loaded.map(({ file, definition }) => [definition.kind, place(file)]);
  for (const line of columns(rows)) data(line);
  if (rows.length === 0) note(`There are no handlers in ${searched.join(", ")}.`);
}

async function init(folder: string, { data, note }: Printer) {
  const files = await newFolder(folder).catch((error) => {
    if (error instanceof OccupiedError)
      throw new CommandError([`handlers init: ${error.message}`], EXIT_USAGE);
    throw error;
  });
  for (const line of columns(files.map(({ path, about }) => [place(path), about]))) data(line);
  note(`Start them with: jobsvc --handlers=${folder} --watch`);
}
