import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";

const SOURCES = join(import.meta.dir, "..");
const PUBLIC_FILE = "handlers/jobsvc";

/** Where the declarations of a package end and ours begin: each file's module is named by its path below one of these. */
interface Roots {
  own: string;
  typebox: string;
}

/**
 * The declarations of the module `jobsvc` in one text that needs nothing besides: the compiler's own of our public types,
 * and TypeBox's, which they rest on. Each file becomes a module under a name that begins with `jobsvc/`.
 * For the build and for a start from source: it reads the sources and runs the compiler.
 */
export async function declare(): Promise<string> {
  const typebox = dirname(Bun.resolveSync("@sinclair/typebox", import.meta.dir));
  const own = await mkdtemp(join(tmpdir(), "jobsvc-declarations-"));
  try {
    await compile(own);
    const roots = { own, typebox };
    const modules = reachable(join(own, `${PUBLIC_FILE}.d.ts`), roots).map((file) => ambient(file, roots));
    return [notice(typebox), ...modules].join("\n");
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

async function compile(outDir: string): Promise<void> {
  const tsc = join(dirname(Bun.resolveSync("typescript/package.json", import.meta.dir)), "bin", "tsc");
  const options = {
    ...{ rootDir: SOURCES, outDir, target: "esnext", module: "esnext", moduleResolution: "bundler" },
    ...{
      lib: "esnext,dom",
      types: "",
      declaration: "true",
      emitDeclarationOnly: "true",
      allowImportingTsExtensions: "true",
    },
  };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const command = [process.execPath, tsc, "--ignoreConfig", ...flags, join(SOURCES, `${PUBLIC_FILE}.ts`)];
  const child = Bun.spawn(command, { cwd: SOURCES, stdio: ["ignore", "pipe", "inherit"] });
  const said = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`the types of handlers cannot be declared: ${said}`);
}

const IMPORTED = /(?<=\bfrom |\bimport\()["'](.+?)["']/g;

/** The file and all that it imports, each once. */
function reachable(first: string, roots: Roots): string[] {
  const found = new Set([first]);
  for (const file of found)
    for (const [, imported] of readFileSync(file, "utf8").matchAll(IMPORTED))
      found.add(fileOf(imported!, file, roots));
  return [...found];
}

function fileOf(imported: string, importer: string, { typebox }: Roots): string {
  const path = imported === "@sinclair/typebox" ? join(typebox, "index") : join(dirname(importer), imported);
  const bare = path.replace(/\.m?[jt]s$/, "");
  const file = [`${bare}.d.ts`, `${bare}.d.mts`].find((candidate) => existsSync(candidate));
  if (!file) throw new Error(`${importer} imports ${imported}, which has no declarations`);
  return file;
}

function ambient(file: string, roots: Roots): string {
  const text = readFileSync(file, "utf8")
    .replace(IMPORTED, (_, imported) => JSON.stringify(nameOf(fileOf(imported, file, roots), roots)))
    // Within a module that is declared, all is.
    .replace(/^(export )?declare /gm, "$1")
    .trimEnd();
  // Without it, what a file keeps to itself would be exported as well.
  return `declare module "${nameOf(file, roots)}" {\n${text}\nexport {};\n}\n`;
}

function nameOf(file: string, { own, typebox }: Roots): string {
  const bare = file.replace(/\.d\.m?ts$/, "");
  if (bare === join(own, PUBLIC_FILE)) return "jobsvc";
  return bare.startsWith(own) ? `jobsvc/${relative(own, bare)}` : `jobsvc/typebox/${relative(typebox, bare)}`;
}

function notice(typebox: string): string {
  const license = readFileSync(join(typebox, "../../license"), "utf8").trim();
  const lines = [
    "The types of the module jobsvc, for editors. Made by: jobsvc handlers init",
    "",
    "With the types of:",
    "",
    ...license.split("\n"),
  ];
  return `${lines.map((line) => `// ${line}`.trimEnd()).join("\n")}\n`;
}
