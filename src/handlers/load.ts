import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { JobDefinition } from "./define.ts";
import { definitionFaults } from "./definition_faults.ts";
import { lineOf, loadFaults, place } from "./load_faults.ts";
import { provideModule } from "./module.ts";

export interface LoadedHandler {
  /** The absolute path. */
  file: string;
  definition: JobDefinition;
}

/** Everything that is wrong with the files of handlers: sentences that begin with the file and the line. */
export class LoadError extends Error {
  override name = "LoadError";

  constructor(readonly problems: readonly string[]) {
    super(["some handlers do not load:", ...problems.map((problem) => `  ${problem}`)].join("\n"));
  }
}

/** A job of these kinds means the same on every node, whatever lies in its folders. */
const BUILT_IN_KINDS: readonly string[] = ["ai_agent", "client_agent"];

/** Who awaits something for longer waits for what does not come, and would hold up the start for ever. */
const LOAD_LIMIT_MS = 30_000;

/**
 * Loads every handler in these folders: each `*.ts` directly in one of them, but no `*.test.ts` and no `*.d.ts`. In the
 * order of the folders, then of the names. Throws a LoadError that tells the problems of all files together.
 */
export async function loadHandlers(folders: readonly string[]): Promise<LoadedHandler[]> {
  const loaded: LoadedHandler[] = [];
  const problems: string[] = [];

  async function gather<Value>(loading: Promise<Value>): Promise<Value | undefined> {
    try {
      return await loading;
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      problems.push(...error.problems);
      return undefined;
    }
  }

  for (const folder of new Set(folders.map((path) => resolve(path)))) {
    for (const file of (await gather(filesIn(folder))) ?? []) {
      const handler = await gather(loadHandler(file));
      if (handler) loaded.push(handler);
    }
  }
  problems.push(...(await contested(loaded)));
  if (problems.length > 0) throw new LoadError([...new Set(problems)]);
  return loaded;
}

/** Loads the handler in one file, for the thread that asks. Throws a LoadError. */
export async function loadHandler(file: string, limitMs = LOAD_LIMIT_MS): Promise<LoadedHandler> {
  provideModule();
  const module = await imported(file, limitMs).catch(async (error) => {
    throw new LoadError(await loadFaults(file, error));
  });
  const faults = definitionFaults(module);
  if (faults.length > 0)
    throw new LoadError(
      await Promise.all(
        faults.map(async ({ member, fault }) => `${place(file, await lineOfMember(file, member))}: ${fault}`),
      ),
    );
  return { file, definition: module.default as JobDefinition };
}

async function imported(file: string, limitMs: number): Promise<Record<string, unknown>> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`it does not load within ${limitMs} ms`)), limitMs);
  try {
    return await Promise.race([import(file), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What begins with a dot is no handler: editors keep such files beside those that are being changed. */
async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    const reasons: Record<string, string> = { ENOENT: "there is no such folder", ENOTDIR: "is no folder" };
    throw new LoadError([
      `${place(folder)}: ${reasons[error.code ?? ""] ?? `cannot be read (${error.code})`}`,
    ]);
  });
  return names
    .filter((name) => /^[^.].*(?<!\.test|\.d)\.ts$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** A kind has one handler: two files, or a file and the service itself, cannot both be it. */
async function contested(loaded: readonly LoadedHandler[]): Promise<string[]> {
  const owners = new Map<string, string>();
  const problems: string[] = [];
  for (const { file, definition } of loaded) {
    const { kind } = definition;
    const owner = owners.get(kind);
    const at = place(file, await lineOfMember(file, "kind"));
    if (BUILT_IN_KINDS.includes(kind))
      problems.push(`${at}: the kind ${kind} is built in and cannot be replaced; choose another name`);
    else if (owner) problems.push(`${at}: the kind ${kind} is already that of ${place(owner)}`);
    else owners.set(kind, file);
  }
  return problems;
}

/** Where a reader should look: at the member, or else at the definition. */
async function lineOfMember(file: string, member: string | undefined): Promise<number | undefined> {
  const found =
    member && (await lineOf(file, new RegExp(`^\\s*${member}\\s*[:(,]|[{,]\\s*${member}\\s*[:(,]`)));
  return found || (await lineOf(file, /\bexport\s+default\b|\bas\s+default\b/));
}
