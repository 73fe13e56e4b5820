import { afterAll } from "bun:test";
import { statSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Launched,
  type LaunchOptions,
  launch,
  runCommand,
  type Service,
  startService,
} from "./service.ts";

const ROOT = join(import.meta.dir, "..", "..");
const EXECUTABLE = join(ROOT, "jobsvc");

/** The executable in the hands of a user who is somewhere else. */
export interface Program {
  path: string;
  /** A directory with files that would lead it astray if it obeyed them. */
  cwd: string;
  run(args: string[], env?: Record<string, string>): ReturnType<typeof runCommand>;
  start(args: string[], options?: LaunchOptions): Promise<Service>;
  launch(args: string[], options?: LaunchOptions): Launched;
}

export async function program(): Promise<Program> {
  const path = await executable();
  const cwd = await hostileDirectory();
  const command = [path];
  return {
    path,
    cwd,
    run: (args, env = {}) => runCommand({ command, cwd, args, env }),
    start: (args, options = {}) => startService({ command, cwd, args, ...options }),
    launch: (args, options = {}) => launch({ command, cwd, args, ...options }),
  };
}

/** The executable at the top of the repository, made anew when a source is younger. */
export async function executable(): Promise<string> {
  const builtMs = statSync(EXECUTABLE, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const inputs = await Array.fromAsync(
    new Bun.Glob("{src,drizzle}/**/*").scan({ cwd: ROOT, absolute: true }),
  );
  inputs.push(join(ROOT, "package.json"));
  if (inputs.every((file) => statSync(file).mtimeMs < builtMs)) return EXECUTABLE;
  const build = Bun.spawn([process.execPath, "src/build.ts"], {
    cwd: ROOT,
    stdout: "ignore",
    stderr: "inherit",
  });
  if ((await build.exited) !== 0) throw new Error("the build failed");
  return EXECUTABLE;
}

/** What Bun reads in the directory it is started in, a port that nobody may open, and a preload that ends the process. */
const HOSTILE_FILES = {
  ".env": "PORT=1\nDATABASE_URL=garbage\nJOBSVC_ROLE=nobody\n",
  "bunfig.toml": 'preload = ["./preload.ts"]\n',
  "preload.ts": 'console.log("the preload ran");\nprocess.exit(99);\n',
};

async function hostileDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "jobsvc-elsewhere-"));
  await chmod(path, 0o755);
  for (const [name, text] of Object.entries(HOSTILE_FILES)) await Bun.write(join(path, name), text);
  afterAll(() => rm(path, { recursive: true, force: true }));
  return path;
}
