import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CACHE = join(import.meta.dir, "../../node_modules/.cache");

/** How long an installation may take on a busy machine. */
export const INSTALL_MS = 300_000;

/**
 * A Python that has the packages of a `requirements.txt`. Installed when it is first asked for, once for each state of
 * that file, and made whole under another name: several runs may want it at once. (Only its own programs would mind
 * the move, so a package is run by `-m`.)
 */
export async function python(requirements: string): Promise<string> {
  const command = Bun.which("python3");
  if (command === null) throw new Error("this test needs Python: apt-get install python3-venv");
  const { output: version } = await said([command, "--version"]);
  const state = createHash("sha256")
    .update(version)
    .update(await readFile(requirements))
    .digest("hex");
  const folder = join(CACHE, `python-${state.slice(0, 16)}`);
  const program = join(folder, "bin", "python");
  if (await Bun.file(program).exists()) return program;

  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(join(CACHE, "python-draft-"));
  try {
    await must([command, "-m", "venv", draft], "make a virtual environment: apt-get install python3-venv");
    const pip = [
      join(draft, "bin", "python"),
      "-m",
      "pip",
      "--disable-pip-version-check",
      "install",
      "--quiet",
    ];
    await must([...pip, "--no-deps", "--only-binary=:all:", "-r", requirements], "install its packages");
    await rename(draft, folder).catch(() => undefined); // another run was quicker
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return program;
}

async function must(command: string[], what: string): Promise<void> {
  const { exitCode, output } = await said(command);
  if (exitCode !== 0) throw new Error(`Python cannot ${what}\n${output}`);
}

/** Runs a command to its end, and answers all that it said. */
export async function said(command: string[], env: Record<string, string> = {}, cwd = tmpdir()) {
  const child = Bun.spawn(command, {
    cwd,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { exitCode: await child.exited, output: output + errors };
}
