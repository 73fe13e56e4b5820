import { describe, expect, test } from "bun:test";
import { dirname, join, relative } from "node:path";

/** Arrows go down only; http, worker and maintenance never see each other: they meet in the tables. */
const ROOMS: Record<string, readonly string[]> = {
  job: [],
  lifecycle: [],
  observability: ["job"],
  config: ["job"],
  outbound: ["job"],
  handlers: ["outbound", "job"],
  db: ["job"],
  "db/embedded": ["db", "lifecycle"],
  queue: ["db", "job"],
  access: ["db", "job"],
  agents: ["db", "job"],
  dashboard: ["queue", "db", "job"],
  maintenance: ["queue", "db", "lifecycle", "observability", "job"],
  worker: ["queue", "db", "handlers", "lifecycle", "observability", "job"],
  http: ["dashboard", "access", "agents", "outbound", "queue", "db", "lifecycle", "observability", "job"],
};

/**
 * The files beside the rooms put the process together: they know every room, and no room knows them. What is typed
 * stands above that: a command may put together what it needs, a watched service is started anew as a whole.
 */
const TOP = "";
const TYPED: readonly string[] = ["commands", "watch"];

/** What else of the repository is part of the program, and who takes it in. */
const OUTSIDE: Record<string, readonly string[]> = {
  "drizzle/": ["db"],
  "package.json": [TOP],
};

/** A package that only some rooms may know can be replaced without a search through all of them. */
const PACKAGES: Record<string, readonly string[]> = {
  elysia: ["http"],
  "@elysiajs/": ["http"],
  "swagger-ui-dist": ["http"],
  postgres: ["db", "db/embedded", "queue"],
  "drizzle-orm": ["db", "queue"],
  // What files of users import: only in the text of an example.
  jobsvc: ["handlers"],
  "@sinclair/typebox": ["config", "http", "handlers"],
  "ipaddr.js": ["outbound", "config"],
  openai: ["handlers"],
  standardwebhooks: ["handlers"],
  pino: ["observability"],
  "pino-pretty": ["observability"],
  "prom-client": ["observability"],
};

const LONGEST_FILE = 200;

/** A name that fits everything says nothing. */
const GRAB_BAGS = /^(utils?|helpers?|common|managers?|misc|lib|types|interfaces|shared|constants)\.ts$/;

const TOP_LEVEL =
  /^(package\.json|package-lock\.json|bunfig\.toml|tsconfig\.json|biome\.json|drizzle\.config\.ts|LICENSE|README\.md|Dockerfile|src|drizzle|tests|\..+)$/;

const root = join(import.meta.dir, "..");
const src = join(root, "src");
const sources = await read("src");
const tests = await read("tests");

describe("imports", () => {
  test("go down only", () => {
    const broken = sources.flatMap(({ path, text }) =>
      importsOf(text)
        .filter((imported) => imported.startsWith("."))
        .map((imported) => relative(root, join(root, dirname(path), imported)))
        .filter((target) => !mayImport(roomOf(path), target))
        .map((target) => `${path} imports ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test("of packages stay in the rooms that own them", () => {
    const broken = sources.flatMap(({ path, text }) =>
      importsOf(text)
        .filter((imported) => !/^(\.|node:|bun$|bun:)/.test(imported))
        .filter((imported) => !ownersOf(imported).includes(roomOf(path)))
        .map((imported) => `${path} imports ${imported}`),
    );
    expect(broken).toEqual([]);
  });

  test("have a rule in every folder", () => {
    const folders = sources
      .map(({ path }) => path.split("/").slice(1, -1)[0])
      .filter((folder) => folder !== undefined);
    expect([...new Set(folders)].filter((folder) => !(folder in ROOMS) && !TYPED.includes(folder))).toEqual(
      [],
    );
  });

  test("are all seen by this test", () => {
    const text = `
      import a from "./a.ts";
      import type { B } from "../b.ts";
      import "./c.ts";
      export { d } from "./d.ts";
      await import("./e.ts");
      new Worker(new URL("./f.ts", import.meta.url));
      import sql from "./g.sql" with { type: "text" };
    `;
    expect(importsOf(text)).toEqual(["./a.ts", "../b.ts", "./c.ts", "./d.ts", "./e.ts", "./f.ts", "./g.sql"]);
  });
});

describe("some things are done in one place only:", () => {
  const only = (what: string, pattern: RegExp, places: readonly string[]) =>
    test(what, () => {
      const found = sources.filter(({ text }) => pattern.test(withoutComments(text))).map(({ path }) => path);
      expect(found.filter((path) => !places.includes(path))).toEqual([]);
    });

  only(
    "the environment is read by those who start the process",
    /(?<!")\b(process|Bun|import\.meta)\.env\b/,
    ["src/main.ts", "src/roles.ts"],
  );
  // The driver loses a pool's slot for ever when a connection dies in one of these.
  only("transactions belong to migrations", /\.begin\(|\.reserve\(|\btransaction\(/, ["src/db/migrate.ts"]);
  only("what repeats is the loop", /\bsetInterval\b|while \(true\)/, ["src/lifecycle/loop.ts"]);
});

describe("files", () => {
  test("of the program are short enough to be read at a sitting", () => {
    const long = sources.map(({ path, text }) => ({ path, lines: text.trimEnd().split("\n").length }));
    expect(long.filter(({ lines }) => lines > LONGEST_FILE)).toEqual([]);
  });

  test("are named for one thing", () => {
    const names = [...sources, ...tests].map(({ path }) => path);
    expect(names.filter((path) => GRAB_BAGS.test(path.split("/").at(-1)!))).toEqual([]);
  });

  test("at the top of the repository are those that belong there", async () => {
    const listing = Bun.spawn(["git", "ls-files"], { cwd: root, stderr: "ignore" });
    const tracked = (await new Response(listing.stdout).text()).split("\n").filter(Boolean);
    const names = new Set(tracked.map((path) => path.split("/")[0]!));
    expect([...names].filter((name) => !TOP_LEVEL.test(name))).toEqual([]);
  });
});

test("no test is skipped, put off or run alone", () => {
  const marked = /\b(test|it|describe)\.(skip|skipIf|only|todo|todoIf|if)\b/;
  expect(tests.filter(({ text }) => marked.test(withoutComments(text))).map(({ path }) => path)).toEqual([]);
});

interface Source {
  /** From the root of the repository. */
  path: string;
  text: string;
}

async function read(folder: string): Promise<Source[]> {
  const paths = await Array.fromAsync(new Bun.Glob(`${folder}/**/*.ts`).scan(root));
  return await Promise.all(
    paths.sort().map(async (path) => ({ path, text: await Bun.file(join(root, path)).text() })),
  );
}

/** Types count as well: who knows a room's types knows the room. */
function importsOf(text: string): string[] {
  const pattern = /\b(?:from|import)\s*\(?\s*"([^"]+)"|new URL\("([^"]+)", import\.meta\.url\)/g;
  return [...withoutComments(text).matchAll(pattern)].map(([, imported, worker]) => imported ?? worker!);
}

/** Only comments that fill a line, which is where ours are: a `//` within a line may be part of a URL. */
function withoutComments(text: string): string {
  return text.replace(/^\s*(\/\*[\s\S]*?\*\/|\/\/.*)$/gm, "");
}

function roomOf(path: string): string {
  const folder = relative(src, join(root, dirname(path)));
  return Object.keys(ROOMS)
    .filter((room) => `${folder}/`.startsWith(`${room}/`))
    .reduce((longest, room) => (room.length > longest.length ? room : longest), TOP);
}

function mayImport(room: string, target: string): boolean {
  if (!target.startsWith("src/"))
    return Object.entries(OUTSIDE).some(
      ([outside, rooms]) => target.startsWith(outside) && rooms.includes(room),
    );
  const other = roomOf(target);
  return room === TOP || room === other || ROOMS[room]!.includes(other);
}

function ownersOf(imported: string): readonly string[] {
  const owned = Object.keys(PACKAGES).find(
    (name) => imported === name || imported.startsWith(name.endsWith("/") ? name : `${name}/`),
  );
  return owned ? PACKAGES[owned]! : [];
}
