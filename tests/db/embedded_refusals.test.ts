import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { appendFile, chmod, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { open, temporaryDirectory, usedDirectories } from "../support/embedded.ts";

/** A first start writes a hundred megabytes to a disk that others may be using. */
setDefaultTimeout(60_000);

const asRoot = process.getuid?.() === 0;

/** Names, modes and contents of all that is there: what "nothing was changed" means. */
async function picture(path: string): Promise<string[]> {
  const names = (await readdir(path, { recursive: true })).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const { mode, uid, size, mtimeMs } = await stat(join(path, name));
      return `${name} ${mode} ${uid} ${size} ${mtimeMs}`;
    }),
  );
}

const usedDirectory = usedDirectories();

test.each([
  ["somebody's files", { "thesis.txt": "all of it" }, "is not empty and was not made by jobsvc"],
  ["a PostgreSQL data directory", { PG_VERSION: "18\n" }, "is a PostgreSQL data directory of its own"],
])("refuses %s, and leaves them alone", async (_, files, message) => {
  const dataDir = await temporaryDirectory();
  for (const [name, content] of Object.entries(files)) await writeFile(join(dataDir, name), content);
  const before = await picture(dataDir);
  await expect(startEmbedded({ dataDir })).rejects.toThrow(message);
  expect(await picture(dataDir)).toEqual(before);
});

test("a new file system's lost+found is nobody's file", async () => {
  const dataDir = await temporaryDirectory();
  await mkdir(join(dataDir, "lost+found"));
  await (await startEmbedded({ dataDir })).stop();
});

test("never initialises over a database that has lost its version file", async () => {
  const dataDir = await temporaryDirectory();
  await mkdir(join(dataDir, "pgdata", "base"), { recursive: true });
  await writeFile(join(dataDir, "start.lock"), "");
  await expect(startEmbedded({ dataDir })).rejects.toThrow("neither empty nor a PostgreSQL data directory");
  expect(await readdir(join(dataDir, "pgdata"))).toEqual(["base"]);
});

test("explains what to do with the data of another version, and does not touch it", async () => {
  const dataDir = await temporaryDirectory();
  await mkdir(join(dataDir, "pgdata"));
  await writeFile(join(dataDir, "pgdata", "PG_VERSION"), "7\n");
  const before = await picture(join(dataDir, "pgdata"));
  const error = await startEmbedded({ dataDir }).catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ name: "EmbeddedError" });
  for (const part of ["was written by PostgreSQL 7", "Nothing was changed", "jobsvc --data-dir="])
    expect((error as Error).message).toContain(part);
  expect(await picture(join(dataDir, "pgdata"))).toEqual(before);
});

test("a server that does not start is quoted", async () => {
  const dataDir = await usedDirectory();
  const file = join(dataDir, "pgdata", "postgresql.conf");
  const good = await readFile(file);
  await appendFile(file, "max_connections = plenty\n");
  await expect(startEmbedded({ dataDir })).rejects.toThrow(
    'invalid value for parameter "max_connections": "plenty"',
  );
  await writeFile(file, good);
  await (await startEmbedded({ dataDir })).stop(); // the failure held no lock
});

test("a path too long for a socket, or misread by the driver, gets its socket elsewhere", async () => {
  const above = await temporaryDirectory();
  for (const name of ["l".repeat(120), "one,two:3"]) {
    const dataDir = join(above, name);
    await rename(await usedDirectory(), dataDir);
    const { address, stop } = await startEmbedded({ dataDir });
    const { host } = address as { host: string };
    expect(host).toStartWith(join(tmpdir(), "jobsvc-"));
    expect((await stat(host)).mode & 0o777).toBe(0o700);
    const second = await startEmbedded({ dataDir });
    expect(second.address).toEqual(address);
    await Promise.all([stop(), second.stop()]);
  }
});

test("a space and a quote in the path are only that", async () => {
  const dataDir = join(await temporaryDirectory(), "it's a data dir");
  const { address, stop } = await startEmbedded({ dataDir });
  expect(await open(address)`select 1 as one`).toHaveLength(1);
  await stop();
});

test("a path that initdb would hand to a shell as a command is refused", async () => {
  const above = await temporaryDirectory();
  for (const name of ['a"b', "a$(touch b)", "a`touch b`", "a\\b", "a\nb"]) {
    await expect(startEmbedded({ dataDir: join(above, name) })).rejects.toThrow("may not hold");
    expect(await readdir(above)).toEqual([]);
  }
});

test("a socket directory that somebody else made first is not used", async () => {
  const dataDir = join(await temporaryDirectory(), "l".repeat(120));
  await rename(await usedDirectory(), dataDir);
  const { address, stop } = await startEmbedded({ dataDir });
  await stop();
  const { host } = address as { host: string };
  expect(existsSync(host)).toBe(false);
  await writeFile(host, "");
  await expect(startEmbedded({ dataDir })).rejects.toThrow("must be a directory of the database's user");
  await Bun.$`rm ${host}`;
});

test("as root, the server is somebody else's, and a directory closed to him is named", async () => {
  const above = await temporaryDirectory();
  const open = await startEmbedded({ dataDir: join(above, "open") });
  const owner = (await stat(join(above, "open", "pgdata"))).uid;
  expect(owner === 0).toBe(false);
  expect(owner === process.getuid?.()).toBe(!asRoot);
  await open.stop();

  await mkdir(join(above, "closed"));
  await chmod(join(above, "closed"), 0o700);
  const start = startEmbedded({ dataDir: join(above, "closed", "data") });
  if (asRoot) await expect(start).rejects.toThrow(`may not enter ${join(above, "closed")}`);
  else await (await start).stop(); // to its owner it is not closed
});
