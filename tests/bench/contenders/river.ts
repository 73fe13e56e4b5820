import { readFileSync } from "node:fs";
import { join } from "node:path";

const SOURCE = join(import.meta.dir, "../rivals/river");
/** Built once, and kept among what is not part of the repository. */
export const RIVER = join(import.meta.dir, "../node_modules/.cache/river");
export const RIVER_VERSION = /riverqueue\/river v(\S+)/.exec(
  readFileSync(join(SOURCE, "go.mod"), "utf8"),
)![1]!;

/** Where Go's own installer puts it. */
const GO = Bun.which("go") ?? Bun.which("go", { PATH: "/usr/local/go/bin" });

let built: Promise<string | undefined> | undefined;

/** Builds the driver in Go. Answers why it cannot be had. */
export function riverMissing(): Promise<string | undefined> {
  built ??= build();
  return built;
}

async function build(): Promise<string | undefined> {
  if (GO === null) return "needs Go: https://go.dev/dl";
  const child = Bun.spawn([GO, "build", "-o", RIVER, "."], {
    cwd: SOURCE,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const complaint = await new Response(child.stderr).text();
  return (await child.exited) === 0
    ? undefined
    : `cannot be built: ${complaint.split("\n").slice(-3).join(" ")}`;
}
