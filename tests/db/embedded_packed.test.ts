import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, packPostgres } from "../../src/build.ts";
import { copyPackage, postgresPackage } from "../../src/db/embedded/package_tree.ts";
import { embeddedProcess, isAlive, open, serverPid, temporaryDirectory } from "../support/embedded.ts";

/** A first start writes a hundred megabytes to a disk that others may be using. */
setDefaultTimeout(60_000);

/** Who runs the executables: as root somebody else, who may read nothing of this checkout. */
const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
const ourselves = user.uid ?? process.getuid?.();

let folder: string;
const packed = () => [join(folder, "packed")];
const bare = () => [join(folder, "bare")];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jobsvc-executables-"));
  await chmod(folder, 0o755);
  const main = join(import.meta.dir, "..", "support", "embedded_process.ts");
  const archive = await packPostgres(`${process.platform}-${process.arch}`, folder);
  await compile({ main, threads: [], assets: [archive!], outfile: packed()[0]! });
  await compile({ main, threads: [], assets: [], outfile: bare()[0]! });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A directory that belongs to the user of the executables. */
async function directoryOfUser(): Promise<string> {
  const path = join(await temporaryDirectory(), "data");
  await mkdir(path);
  if (user.uid) await chown(path, user.uid, user.gid);
  return path;
}

test("an executable carries PostgreSQL, unpacks it once, and runs as an ordinary user", async () => {
  const dataDir = await directoryOfUser();
  const [one, two] = await Promise.all([
    embeddedProcess(dataDir, { command: packed(), ...user }),
    embeddedProcess(dataDir, { command: packed(), ...user }),
  ]);
  expect(await open(one.address)`select 1 as one`).toHaveLength(1);
  expect((await stat(join(dataDir, "pgdata"))).uid).toBe(ourselves!);
  expect((await readdir(dataDir)).filter((name) => name.startsWith("postgres-"))).toEqual([
    `postgres-${postgresPackage(`${process.platform}-${process.arch}`)?.version}`,
  ]);
  const pid = await serverPid(dataDir);
  expect([await one.leave(), await two.leave()]).toEqual([0, 0]);
  expect(isAlive(pid)).toBe(false);
});

test("root and the user whose directory it is take turns", async () => {
  const dataDir = await directoryOfUser();
  for (const turn of [user, {}, user]) {
    const process = await embeddedProcess(dataDir, { command: packed(), ...turn });
    expect((await stat(join(dataDir, "pgdata"))).uid).toBe(ourselves!);
    expect(await process.leave()).toBe(0);
    // As if root had brought back a copy.
    if (user.uid && turn.uid) await Bun.$`chown -R 0:0 ${join(dataDir, "pgdata")}`;
  }
});

test("an executable without PostgreSQL uses one that the machine has", async () => {
  const dataDir = await directoryOfUser();
  const machine = join(folder, "machine");
  copyPackage(postgresPackage(`${process.platform}-${process.arch}`)!, machine);
  const PATH = `${join(machine, "bin")}:${process.env.PATH}`;
  const started = await embeddedProcess(dataDir, { command: bare(), PATH, ...user });
  const sql = open(started.address);
  await sql`create table kept as select 42 as answer`;
  const [row] = await sql<{ version: number }[]>`
    select current_setting('server_version_num')::int as version`;
  expect(row?.version).toBeGreaterThanOrEqual(140_000);
  expect((await readdir(dataDir)).filter((name) => name.startsWith("postgres-"))).toEqual([]);
  await started.leave();
});

test("the package works whether or not its install script made the links", async () => {
  const tree = join(await temporaryDirectory(), "tree");
  const root = join(await temporaryDirectory(), "package");
  const found = postgresPackage(`${process.platform}-${process.arch}`)!;
  await mkdir(root);
  await Bun.$`cp -a ${found.root}/native ${root}`;
  await Bun.$`find ${root} -type l -delete`;
  copyPackage({ ...found, root }, tree);
  const { stdout } = Bun.spawnSync([join(tree, "bin", "postgres"), "--version"]);
  expect(stdout.toString()).toStartWith(`postgres (PostgreSQL) ${Number.parseInt(found.version, 10)}`);
  expect(await readdir(root, { recursive: true })).not.toContain("libpq.so");
});
