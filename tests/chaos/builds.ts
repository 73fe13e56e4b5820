import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../support/binary.ts";

const ROOT = join(import.meta.dir, "..", "..");

/**
 * Where the sources are changed so that the fence is gone: the last one to end an attempt has ended it, as in most
 * queues. Scenarios with zombies and races must fail with such a build, or they could not see what they are for.
 */
const WITHOUT_FENCE = [
  {
    file: "src/queue/end.ts",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source of one
    from: "${onConflict}\n      returning job_id, attempt, retry_at",
    to: `on conflict (job_id, attempt) do update
      set outcome = excluded.outcome, worker_id = excluded.worker_id, started_at = excluded.started_at,
        finished_at = excluded.finished_at, retry_at = excluded.retry_at, error = excluded.error, result = excluded.result
      returning job_id, attempt, retry_at`,
  },
];

export const BUILDS = ["product", "no-fence"] as const;
export type BuildName = (typeof BUILDS)[number];

/** Answers the path of the executable. */
export async function build(name: BuildName): Promise<string> {
  return name === "product" ? await executable() : await buildWithoutFence();
}

let withoutFence: Promise<string> | undefined;

/** Made from a copy of the sources, once in a process. */
function buildWithoutFence(): Promise<string> {
  withoutFence ??= (async () => {
    const copy = mkdtempSync(join(tmpdir(), "jobsvc-no-fence-"));
    try {
      for (const name of ["src", "drizzle", "package.json", "tsconfig.json"])
        cpSync(join(ROOT, name), join(copy, name), { recursive: true });
      symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
      for (const change of WITHOUT_FENCE) takeAway(copy, change);
      const outfile = join(ROOT, "dist", "jobsvc-no-fence");
      const made = Bun.spawn([process.execPath, "src/build.ts", `--outfile=${outfile}`], {
        cwd: copy,
        stdout: "ignore",
        stderr: "inherit",
      });
      if ((await made.exited) !== 0) throw new Error("the build without a fence failed");
      return outfile;
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  })();
  return withoutFence;
}

function takeAway(copy: string, { file, from, to }: (typeof WITHOUT_FENCE)[number]) {
  const path = join(copy, file);
  const text = readFileSync(path, "utf8");
  if (text.split(from).length !== 2) throw new Error(`the fence is not where it was in ${file}`);
  writeFileSync(path, text.replace(from, to));
}
