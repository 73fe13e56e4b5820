import { afterAll } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseAddress } from "../../src/db/connect.ts";
import { serverUser } from "../../src/db/embedded/as_user.ts";
import { openDataDir } from "../../src/db/embedded/data_dir.ts";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { initialise } from "../../src/db/embedded/initialise.ts";

/** Where the databases of this test run live. */
export interface TestServer {
  address(database: string): DatabaseAddress;
}

let started: Promise<TestServer> | undefined;

/**
 * The PostgreSQL of this test run: the server named by TEST_DATABASE_URL, or else one of our own, started
 * from the same binaries that the product ships (or from those in TEST_POSTGRES_BIN) and gone when the run ends.
 */
export function testServer(): Promise<TestServer> {
  started ??= process.env.TEST_DATABASE_URL ? foreignServer(process.env.TEST_DATABASE_URL) : ownServer();
  return started;
}

async function foreignServer(url: string): Promise<TestServer> {
  return {
    address(database) {
      const address = new URL(url);
      address.pathname = `/${database}`;
      return address.href;
    },
  };
}

let stopOwnServer = async () => {};

async function ownServer(): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "jobsvc-test-"));
  if (process.env.TEST_POSTGRES_BIN) await prepareFor(process.env.TEST_POSTGRES_BIN, dataDir);
  const server = await startEmbedded({ dataDir });
  stopOwnServer = async () => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  return {
    address(database) {
      if (typeof server.address === "string") throw new Error("the embedded server is reached by its socket");
      return { ...server.address, database };
    },
  };
}

/** Data of the version that is installed in `bin`: it is then served by that PostgreSQL, not by the one of the product. */
async function prepareFor(bin: string, dataDir: string): Promise<void> {
  const dir = openDataDir(dataDir);
  const user = serverUser(dir);
  const major = Number.parseInt(await Bun.$`${join(bin, "postgres")} --version`.text().then(versionOf), 10);
  await initialise(dir, { bin, major }, user);
}

function versionOf(answer: string): string {
  return answer.match(/\d+/)?.[0] ?? "";
}

afterAll(() => stopOwnServer());
