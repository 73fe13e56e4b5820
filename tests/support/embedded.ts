import { afterAll, onTestFinished } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { DatabaseAddress, Sql } from "../../src/db/connect.ts";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { until } from "./until.ts";

/** A directory that is gone after the test, or the file, together with a server that was left running in it. */
export async function temporaryDirectory(lives: "test" | "file" = "test"): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "jobsvc-embedded-"));
  await chmod(path, 0o755);
  (lives === "test" ? onTestFinished : afterAll)(async () => {
    if (!existsSync(path)) return; // the test gave it another name
    for (const pid of await serversBelow(path)) await kill(pid);
    await rm(path, { recursive: true, force: true });
  });
  return path;
}

/**
 * Answers what makes directories in which a database was made and stopped, for tests that are not about the
 * first start. To be called once a file, outside of the tests.
 */
export function usedDirectories(): () => Promise<string> {
  let model: Promise<string> | undefined;
  afterAll(async () => {
    if (model) await rm(await model, { recursive: true, force: true });
  });
  return async () => {
    model ??= makeModel();
    const path = await temporaryDirectory();
    await Bun.$`cp -a ${await model}/. ${path}`;
    return path;
  };
}

async function makeModel(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "jobsvc-embedded-"));
  await chmod(path, 0o755);
  const { stop } = await startEmbedded({ dataDir: path });
  await stop();
  return path;
}

async function serversBelow(path: string): Promise<number[]> {
  const files = await Array.fromAsync(new Bun.Glob("**/pgdata/postmaster.pid").scan(path));
  return Promise.all(files.map((file) => serverPid(join(path, file, "../.."))));
}

export async function serverPid(dataDir: string): Promise<number> {
  return Number.parseInt(await Bun.file(join(dataDir, "pgdata", "postmaster.pid")).text(), 10);
}

/** A dead process whose parent has not asked for it yet still has a number, but no command any more. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !existsSync("/proc/self") || readFileSync(`/proc/${pid}/cmdline`).length > 0;
  } catch {
    return false;
  }
}

/** Kills a process as a power cut would, and waits until it is gone. */
export async function kill(pid: number): Promise<void> {
  if (isAlive(pid)) process.kill(pid, "SIGKILL");
  await until(`process ${pid} to be gone`, () => !isAlive(pid));
}

/** One connection, closed after the test. */
export function open(address: DatabaseAddress): Sql {
  if (typeof address === "string") throw new Error("the embedded server is reached by its socket");
  const sql = postgres({ ...address, max: 1, fetch_types: false, onnotice: () => undefined });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

export interface EmbeddedProcess {
  pid: number;
  address: DatabaseAddress;
  startedMs: number;
  /** Ends it the clean way, and waits. */
  leave(): Promise<number>;
  kill(): Promise<unknown>;
}

const FROM_SOURCE = [process.execPath, join(import.meta.dir, "embedded_process.ts")];

export interface EmbeddedProcessOptions {
  command?: string[];
  uid?: number;
  gid?: number;
  PATH?: string;
  /** It is killed when this comes, which may be before it has said anything. */
  diesAfter?: Promise<unknown>;
}

/** Another process that uses the database in `dataDir`. Throws what it says when it cannot. */
export async function embeddedProcess(
  dataDir: string,
  options: EmbeddedProcessOptions = {},
): Promise<EmbeddedProcess> {
  const { command = FROM_SOURCE, PATH = process.env.PATH, diesAfter, ...user } = options;
  const child = Bun.spawn([...command, dataDir], {
    ...user,
    env: { ...process.env, PATH },
    cwd: "/",
    stdio: ["pipe", "pipe", "inherit"],
  });
  const killed = () => {
    child.kill("SIGKILL");
    return child.exited;
  };
  onTestFinished(async () => void (await killed()));
  diesAfter?.then(killed);
  const { value } = await child.stdout.getReader().read();
  const said = JSON.parse(new TextDecoder().decode(value) || '{"error":"it said nothing"}');
  if (said.error) throw new Error(said.error);
  return {
    pid: child.pid,
    ...said,
    leave() {
      child.stdin.end();
      return child.exited;
    },
    kill: killed,
  };
}
