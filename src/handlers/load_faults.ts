import { readFile } from "node:fs/promises";
import { dirname, relative, sep } from "node:path";
import { storedError } from "../job/errors.ts";

/** Bun's own words for a file that cannot be parsed or an import that leads nowhere. */
interface BuildMessage {
  message: string;
  position: { file: string; line: number; column: number } | null;
  /** Of an import that leads nowhere: who imports what. */
  referrer?: string;
  specifier?: string;
}

/** Why a file did not load, each reason with the place where it lies: that may be a file which the handler imports. */
export async function loadFaults(file: string, thrown: unknown): Promise<string[]> {
  if (thrown instanceof AggregateError)
    return (await Promise.all(thrown.errors.map((error) => loadFaults(file, error)))).flat();
  if (thrown instanceof BuildMessage || thrown instanceof ResolveMessage)
    return [await buildFault(file, thrown as BuildMessage)];
  return [await thrownFault(file, thrown)];
}

async function buildFault(file: string, { message, position, referrer, specifier }: BuildMessage) {
  if (position?.file) return `${place(position.file, position.line, position.column)}: ${message}`;
  const importer = referrer || file;
  const line = specifier && (await lineOf(importer, new RegExp(`["']${RegExp.escape(specifier)}["']`)));
  return `${place(importer, line || undefined)}: ${message}`;
}

async function thrownFault(file: string, thrown: unknown) {
  const { name, message, stack } = storedError(thrown);
  const missing = /^Export named '(.+)' not found/.exec(message)?.[1];
  const at = missing
    ? place(file, await lineOf(file, new RegExp(`\\b${RegExp.escape(missing)}\\b`)))
    : frame(file, stack);
  return `${at}: ${name === "Error" ? "" : `${name}: `}${message}`;
}

/** The innermost place in the user's own files. */
function frame(file: string, stack = ""): string {
  const folder = dirname(file) + sep;
  for (const [, path, line, column] of stack.matchAll(/(\/[^\n()]*?):(\d+):(\d+)\)?$/gm)) {
    if (path!.startsWith(folder) && !path!.includes(`${sep}node_modules${sep}`))
      return place(path!, Number(line), Number(column));
  }
  return place(file);
}

/** The first line, from 1, that fits; undefined when none does, or the file cannot be read. */
export async function lineOf(file: string, pattern: RegExp): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const line = text.split("\n").findIndex((line) => pattern.test(line)) + 1;
  return line === 0 ? undefined : line;
}

/** A place as editors and terminals know it, `handlers/mail.ts:3:14`, seen from where the program was started. */
export function place(path: string, ...lineAndColumn: (number | undefined)[]): string {
  const seen = relative(process.cwd(), path);
  const shown = seen === "" || seen.startsWith("..") ? path : seen;
  return [shown, ...lineAndColumn.filter((number) => number !== undefined)].join(":");
}
