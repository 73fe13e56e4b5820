import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { chownSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKeyFile, readKeyFile } from "../../src/agents/key_file.ts";

const made: string[] = [];
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jobsvc-key-"));
  made.push(folder);
});

afterAll(() => Promise.all(made.map((path) => rm(path, { recursive: true, force: true }))));

const file = () => join(folder, "secrets.key");

describe("the key in the data directory", () => {
  test("is not there until it is made, and then stays", () => {
    expect(readKeyFile(folder)).toBeUndefined();
    const key = makeKeyFile(folder);
    expect(Buffer.from(key, "base64").byteLength).toBe(32);
    expect(readKeyFile(folder)).toBe(key);
    expect(makeKeyFile(folder)).toBe(key);
  });

  test("is for its owner alone, who owns the directory", () => {
    const umask = process.umask(0);
    makeKeyFile(folder);
    process.umask(umask);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(statSync(file()).uid).toBe(statSync(folder).uid);
  });

  test("made by root in the directory of another user, it is that user's", () => {
    const [uid, gid] = process.getuid?.() === 0 ? [4711, 4712] : [statSync(folder).uid, statSync(folder).gid];
    chownSync(folder, uid, gid);
    makeKeyFile(folder);
    const { uid: owner, gid: group } = statSync(file());
    expect([owner, group]).toEqual([uid, gid]);
  });

  test("is never written over, whatever is in it", () => {
    writeFileSync(file(), "not a key\n");
    expect(makeKeyFile(folder)).toBe("not a key");
    expect(readFileSync(file(), "utf8")).toBe("not a key\n");
  });

  test("is the same for all processes that make it at once, and nothing else is left behind", async () => {
    const script = join(import.meta.dir, "../../src/agents/key_file.ts");
    const program = `import { makeKeyFile } from ${JSON.stringify(script)}; console.log(makeKeyFile(${JSON.stringify(folder)}));`;
    const keys = await Promise.all(
      Array.from({ length: 8 }, () => Bun.$`${process.execPath} -e ${program}`.text()),
    );
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]!.trim()).toBe(readKeyFile(folder)!);
    expect(readdirSync(folder)).toEqual(["secrets.key"]);
  });
});
