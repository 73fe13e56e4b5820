import { afterEach, describe, expect, test } from "bun:test";
import { createKey, revokeKey } from "../src/access/keys.ts";
import { EXIT_CONFIGURATION } from "../src/config/exit_codes.ts";
import { CommandError, parseCommand } from "../src/config/parse.ts";
import type { Settings } from "../src/config/settings.ts";
import { checkExposure } from "../src/exposure.ts";
import { testDatabase } from "./support/database.ts";

const db = await testDatabase();
const NO_DATABASE = "postgres://nobody@127.0.0.1:1/nothing";
const SETTINGS_KEY = { JOBSVC_API_KEYS: "0123456789abcdef" };
const PUBLIC = ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", "127.0.0.1.nip.io"];
const LOOPBACK = ["127.0.0.1", "127.8.9.10", "localhost", "::1"];

afterEach(async () => {
  await db.sql`truncate jobsvc.api_keys`;
});

function settings(argv: string[], env: Record<string, string> = {}): Settings {
  const command = parseCommand(argv, env, () => "");
  if (!("settings" in command)) throw new Error("these words ask for no settings");
  return command.settings;
}

async function key(expires: { at: Date } | { inMs: number } | null = null): Promise<string> {
  const made = await createKey(db, { name: "test", scopes: ["jobs:read"], userId: null, expires });
  return made!.record.id;
}

describe("a server that others can reach", () => {
  async function refused(host: string) {
    const error = await checkExposure(db.address, settings([`--host=${host}`])).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(CommandError);
    expect(error.exitCode).toBe(EXIT_CONFIGURATION);
    expect(error.message).toContain(
      `--host: ${host} is open to others, and without a key everybody may call`,
    );
    expect(error.message).toContain("set JOBSVC_API_KEYS, or listen on 127.0.0.1");
  }

  test.each(PUBLIC)("on %s needs a key", refused);

  test.each(PUBLIC)("on %s may have it in the settings, and then asks no database", async (host) => {
    expect(await checkExposure(NO_DATABASE, settings([`--host=${host}`], SETTINGS_KEY))).toBe(true);
  });

  test("may have it in the database", async () => {
    await key();
    expect(await checkExposure(db.address, settings(["--host=0.0.0.0"]))).toBe(true);
  });

  test("is not helped by keys that open nothing any more", async () => {
    await revokeKey(db, await key());
    await db.sql`update jobsvc.api_keys set expires_at = now() where id = ${await key({ inMs: 60_000 })}`;
    await refused("0.0.0.0");
  });
});

describe("a server on loopback", () => {
  test.each(LOOPBACK)("%s needs no key", async (host) => {
    expect(await checkExposure(db.address, settings([`--host=${host}`]))).toBe(false);
  });

  test("asks for one as soon as there was any", async () => {
    await revokeKey(db, await key());
    expect(await checkExposure(db.address, settings([]))).toBe(true);
    expect(await checkExposure(NO_DATABASE, settings([], SETTINGS_KEY))).toBe(true);
  });
});

test("a worker serves nobody, and may listen for probes everywhere", async () => {
  const worker = settings(["--host=0.0.0.0", "--role=worker", "--probe-port=9090"]);
  expect(await checkExposure(NO_DATABASE, worker)).toBe(false);
});
