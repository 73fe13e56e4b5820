import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

const CACHE = join(import.meta.dir, "../../node_modules/.cache");
const MANIFEST = ["package.json", "package-lock.json", ".npmrc"];

/** The programs, and where each is in its package. */
const PROGRAMS = {
  redocly: "@redocly/cli/bin/cli.js",
  spectral: "@stoplight/spectral-cli/dist/index.js",
  "openapi-typescript": "openapi-typescript/bin/cli.js",
};

/** How long an installation may take on a busy machine. */
export const INSTALL_MS = 300_000;

export interface Said {
  exitCode: number;
  output: string;
  errors: string;
}

/** Runs one of the programs of the `package.json` beside this file. They are installed when they are first asked for. */
export async function runTool(program: keyof typeof PROGRAMS, args: readonly string[]): Promise<Said> {
  const path = join(await installed(), "node_modules", PROGRAMS[program]);
  return await run([process.execPath, path, ...args], import.meta.dir, { REDOCLY_TELEMETRY: "off" });
}

/** A folder for each state of the lock file, made whole under another name: several runs may want it at once. */
async function installed(): Promise<string> {
  const lock = await readFile(join(import.meta.dir, "package-lock.json"));
  const folder = join(CACHE, `openapi-${createHash("sha256").update(lock).digest("hex").slice(0, 16)}`);
  if (await Bun.file(join(folder, "package.json")).exists()) return folder;
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(join(CACHE, "openapi-draft-"));
  try {
    for (const file of MANIFEST) await cp(join(import.meta.dir, file), join(draft, file));
    const { exitCode, output, errors } = await run(installer(), draft);
    if (exitCode !== 0)
      throw new Error(`the tools of tests/openapi could not be installed\n${output}${errors}`);
    await rename(draft, folder).catch(() => undefined); // another run was quicker
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}

function installer(): string[] {
  return Bun.which("npm")
    ? ["npm", "ci", "--ignore-scripts"]
    : [process.execPath, "install", "--ignore-scripts"];
}

async function run(command: string[], cwd: string, env: Record<string, string> = {}): Promise<Said> {
  const child = Bun.spawn(command, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { exitCode: await child.exited, output, errors };
}
