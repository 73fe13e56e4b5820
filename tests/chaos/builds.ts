import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../support/binary.ts";

const ROOT = join(import.meta.dir, "..", "..");

/** A place in a copy of the sources that is changed before they are built. */
interface Change {
  file: string;
  from: string;
  to: string;
}

/**
 * Where the sources are changed so that the fence is gone: the last one to end an attempt has ended it, as in most
 * queues. Scenarios with zombies and races must fail with such a build, or they could not see what they are for.
 */
const WITHOUT_FENCE: readonly Change[] = [
  {
    file: "src/queue/end_together.ts",
    from: "where (select whole from known)\n      returning 1",
    to: `where (select whole from known)
      on conflict (job_id, attempt) do update
      set outcome = excluded.outcome, worker_id = excluded.worker_id, started_at = excluded.started_at,
        finished_at = excluded.finished_at, retry_at = excluded.retry_at, error = excluded.error, result = excluded.result
      returning 1`,
  },
];

/** What a later version may do to every table: a column that the one before has never heard of, and a rule that it keeps. */
const NEXT_MIGRATION = ["jobs", "ready", "leases", "attempts", "workers"]
  .map(
    (table) => `alter table jobsvc.${table} add column next text default 'later', add constraint ${table}_next
    check (next <> '');`,
  )
  .join(" ");

/** The version after this one. */
const NEXT: readonly Change[] = [
  {
    file: "src/db/migrations.ts",
    from: "export const MIGRATIONS: readonly Migration[] = [",
    to: `export const MIGRATIONS: readonly Migration[] = [
  { number: 9999, name: "next", sql: \`${NEXT_MIGRATION}\` },`,
  },
];

const CHANGED = { "no-fence": WITHOUT_FENCE, next: NEXT } as const;

export const BUILDS = ["product", "no-fence", "next"] as const;
export type BuildName = (typeof BUILDS)[number];

/** Answers the path of the executable. */
export async function build(name: BuildName): Promise<string> {
  return name === "product" ? await executable() : await buildChanged(name);
}

const built = new Map<BuildName, Promise<string>>();

/** Once in a process. */
function buildChanged(name: keyof typeof CHANGED): Promise<string> {
  const path = built.get(name) ?? buildCopy(name, CHANGED[name]);
  built.set(name, path);
  return path;
}

async function buildCopy(name: BuildName, changes: readonly Change[]): Promise<string> {
  const copy = mkdtempSync(join(tmpdir(), `jobsvc-${name}-`));
  try {
    for (const part of ["src", "drizzle", "package.json", "tsconfig.json"])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    for (const change of changes) make(copy, change);
    const outfile = join(ROOT, "dist", `jobsvc-${name}`);
    const made = Bun.spawn([process.execPath, "src/build.ts", `--outfile=${outfile}`], {
      cwd: copy,
      stdout: "ignore",
      stderr: "inherit",
    });
    if ((await made.exited) !== 0) throw new Error(`the build ${name} failed`);
    return outfile;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function make(copy: string, { file, from, to }: Change) {
  const path = join(copy, file);
  const text = readFileSync(path, "utf8");
  if (text.split(from).length !== 2) throw new Error(`what is to be changed is not where it was in ${file}`);
  writeFileSync(path, text.replace(from, to));
}
