import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import {
  embeddedProcess,
  isAlive,
  kill,
  open,
  serverPid,
  temporaryDirectory,
  usedDirectories,
} from "../support/embedded.ts";
import { until } from "../support/until.ts";

/** A first start writes a hundred megabytes to a disk that others may be using. */
setDefaultTimeout(60_000);

const usedDirectory = usedDirectories();

test("a first start makes the database, and what was committed is there after a stop", async () => {
  const dataDir = join(await temporaryDirectory(), "made", "here");
  const first = await startEmbedded({ dataDir });
  await open(first.address)`create table kept as select 42 as answer`;
  const pid = await serverPid(dataDir);
  await first.stop();
  expect(isAlive(pid)).toBe(false);

  const second = await startEmbedded({ dataDir });
  expect(await open(second.address)`select answer from kept`).toEqual([{ answer: 42 }] as never);
  await second.stop();
});

test("the server is a careful one, and closed to everybody else", async () => {
  const dataDir = await temporaryDirectory();
  const { address, stop } = await startEmbedded({ dataDir });
  const rows = await open(address)<{ name: string; setting: string }[]>`
    select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit',
      'listen_addresses', 'max_connections', 'server_encoding', 'data_checksums')`;
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: "on",
    full_page_writes: "on",
    synchronous_commit: "on",
    listen_addresses: "",
    max_connections: "100",
    server_encoding: "UTF8",
    data_checksums: "on",
  });
  expect(address).toMatchObject({ host: join(dataDir, "run"), database: "jobsvc", username: "jobsvc" });
  for (const closed of ["run", "pgdata"])
    expect((await stat(join(dataDir, closed))).mode & 0o777).toBe(0o700);
  await stop();
});

test("stop may be called twice, and a second use in the same process keeps the server up", async () => {
  const dataDir = await usedDirectory();
  const [one, two] = await Promise.all([startEmbedded({ dataDir }), startEmbedded({ dataDir })]);
  const pid = await serverPid(dataDir);
  await Promise.all([one.stop(), one.stop()]);
  expect(await open(two.address)`select 1 as one`).toHaveLength(1);
  await two.stop();
  expect(isAlive(pid)).toBe(false);
});

test("processes that start at once on a new directory share one server, and the last one out stops it", async () => {
  const dataDir = join(await temporaryDirectory(), "new");
  const processes = await Promise.all(Array.from({ length: 4 }, () => embeddedProcess(dataDir)));
  const starts = await Promise.all(
    processes.map(({ address }) => open(address)`select pg_postmaster_start_time()::text as at`),
  );
  expect(new Set(starts.map(([row]) => row?.at)).size).toBe(1);

  const pid = await serverPid(dataDir);
  for (const leaving of processes) {
    expect(isAlive(pid)).toBe(true);
    expect(await leaving.leave()).toBe(0);
  }
  expect(isAlive(pid)).toBe(false);
});

test("a process that starts while the last one leaves gets a server", async () => {
  const dataDir = await usedDirectory();
  for (let round = 0; round < 5; round++) {
    const leaving = await startEmbedded({ dataDir });
    const [coming] = await Promise.all([startEmbedded({ dataDir }), leaving.stop()]);
    expect(await open(coming.address)`select 1 as one`).toHaveLength(1);
    await coming.stop();
  }
});

test("the server survives the process that started it, and stops with the one that is left", async () => {
  const dataDir = await usedDirectory();
  const starter = await embeddedProcess(dataDir);
  const other = await startEmbedded({ dataDir });
  const pid = await serverPid(dataDir);
  await starter.kill();
  expect(await open(other.address)`select 1 as one`).toHaveLength(1);
  await other.stop();
  expect(isAlive(pid)).toBe(false);
});

test("after the sudden death of all that used it, the next start attaches to the same server", async () => {
  const dataDir = await usedDirectory();
  const both = await Promise.all([embeddedProcess(dataDir), embeddedProcess(dataDir)]);
  const pid = await serverPid(dataDir);
  await Promise.all(both.map((each) => each.kill()));
  expect(isAlive(pid)).toBe(true);

  const next = await startEmbedded({ dataDir });
  expect(await serverPid(dataDir)).toBe(pid);
  expect(next.startedMs).toBeLessThan(1_000);
  await next.stop();
  expect(isAlive(pid)).toBe(false);
});

test("after the sudden death of the server, the next start brings back every committed row", async () => {
  const dataDir = await usedDirectory();
  const first = await embeddedProcess(dataDir);
  const sql = open(first.address);
  await sql`create table kept as select generate_series(1, 1000) as n`;
  // A session in the middle of something outlives its server for a moment, and holds the shared memory.
  const busy = open(first.address)`select count(*) from generate_series(1, 5000000)`.catch(() => "died");
  await until("the long statement to run", async () => {
    const [running] = await sql`select from pg_stat_activity where state = 'active' and query like '%5000000%'
      and pid <> pg_backend_pid()`;
    return running !== undefined;
  });
  await kill(await serverPid(dataDir));

  const second = await startEmbedded({ dataDir });
  expect(await open(second.address)`select count(*)::int as rows from kept`).toEqual([
    { rows: 1000 },
  ] as never);
  await first.leave(); // it still counts, though it never came back to the new server
  expect(await open(second.address)`select 1 as one`).toHaveLength(1);
  await second.stop();
  await busy;
});

test("a process id left by a power cut, and a stranger's now, does not keep the server from starting", async () => {
  const dataDir = await usedDirectory();
  const first = await embeddedProcess(dataDir);
  const pid = await serverPid(dataDir);
  const { uid, gid } = await stat(join(dataDir, "pgdata"));
  await first.kill();
  await kill(pid);

  const stranger = Bun.spawn(["sleep", "1000"], { uid, gid, cwd: "/" });
  for (const file of ["pgdata/postmaster.pid", "run/.s.PGSQL.5432.lock"]) {
    const left = await readFile(join(dataDir, file), "utf8");
    await writeFile(join(dataDir, file), left.replace(/^\d+/, String(stranger.pid)));
  }
  const second = await startEmbedded({ dataDir });
  await second.stop();
  expect(stranger.exitCode).toBe(null);
  stranger.kill();
});

test("what a crash left half done is made anew", async () => {
  const dataDir = await usedDirectory();
  const tree = (await readdir(dataDir)).find((name) => name.startsWith("postgres-"))!;
  const again = join(await temporaryDirectory(), "again");
  for (const half of [`${tree}.unfinished/bin`, "pgdata.unfinished-x1y2z3/base"])
    await mkdir(join(again, half), { recursive: true });
  await writeFile(join(again, "start.lock"), ""); // the first thing that a start writes
  const { address, stop } = await startEmbedded({ dataDir: again });
  expect(await open(address)`select 1 as one`).toHaveLength(1);
  await stop();
  expect((await readdir(again)).filter((name) => name.includes("unfinished"))).toEqual([]);
});

test("a process that dies in its first start, with initdb still at work, does not disturb the next", async () => {
  const dataDir = await temporaryDirectory();
  const initdbWorks = until("initdb to be at work", async () =>
    (await readdir(dataDir)).some((name) => name.startsWith("pgdata.unfinished")),
  );
  await expect(embeddedProcess(dataDir, { diesAfter: initdbWorks })).rejects.toThrow("it said nothing");
  const { address, stop } = await startEmbedded({ dataDir });
  expect(await open(address)`select 1 as one`).toHaveLength(1);
  await stop();
});
