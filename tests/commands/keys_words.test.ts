import { describe, expect, test } from "bun:test";
import { keyText, newKey } from "../../src/access/key.ts";
import { readKeysAction } from "../../src/commands/keys_words.ts";
import { EXIT_USAGE } from "../../src/config/exit_codes.ts";
import type { KeysArguments } from "../../src/config/keys_arguments.ts";
import { CommandError } from "../../src/config/parse.ts";

const USER = "123e4567-e89b-12d3-a456-426614174000";
const ID = "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77";

const read = (words: string[], flags: KeysArguments["flags"] = {}) => readKeysAction({ words, flags });

function problems(words: string[], flags: KeysArguments["flags"] = {}): readonly string[] {
  try {
    read(words, flags);
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === EXIT_USAGE) return error.problems;
  }
  throw new Error("it was understood");
}

const expiryOf = (expires: string) => {
  const action = read(["create"], { scopes: "admin", expires });
  return action.action === "create" ? action.key.expires : undefined;
};

describe("create", () => {
  test("with all that can be said", () => {
    const flags = {
      scopes: "jobs:write, jobs:read,jobs:read",
      name: "the shop",
      "user-id": USER,
      expires: "30d",
    };
    expect(read(["create"], flags)).toEqual({
      action: "create",
      key: {
        name: "the shop",
        scopes: ["jobs:write", "jobs:read"],
        userId: USER,
        takes: { queues: null, kinds: null },
        expires: { inMs: 30 * 24 * 3_600_000 },
      },
    });
  });

  test("with as little as possible", () => {
    expect(read(["create"], { scopes: "admin" })).toEqual({
      action: "create",
      key: {
        name: "unnamed",
        scopes: ["admin"],
        userId: null,
        takes: { queues: null, kinds: null },
        expires: null,
      },
    });
  });

  test("limited to queues and kinds", () => {
    const flags = { scopes: "jobs:work,jobs:write", queues: "mail, post,mail", kinds: "letter" };
    expect(read(["create"], flags)).toMatchObject({
      key: { takes: { queues: ["mail", "post"], kinds: ["letter"] } },
    });
    expect(problems(["create"], { ...flags, queues: "mail,", kinds: "a b" })).toEqual([
      "--queues: must be names of queues, separated by commas",
      "--kinds: must be names of kinds, separated by commas",
    ]);
  });

  test.each(["jobs:read", "admin", "jobs:work,admin"])("limits mean nothing for %s", (scopes) => {
    expect(problems(["create"], { scopes, queues: "mail", kinds: "letter" })).toEqual([
      "--queues: is for a key with the scope jobs:work, and without admin",
      "--kinds: is for a key with the scope jobs:work, and without admin",
    ]);
  });

  test.each([
    ["90m", { inMs: 90 * 60_000 }],
    ["12h", { inMs: 12 * 3_600_000 }],
    ["2030-05-01", { at: new Date("2030-05-01T00:00:00Z") }],
    ["2030-05-01T10:00+02:00", { at: new Date("2030-05-01T08:00:00Z") }],
    ["2030-05-01T10:00:30.5Z", { at: new Date("2030-05-01T10:00:30.500Z") }],
  ] as const)("--expires %s", (text, expected) => {
    expect(expiryOf(text)).toEqual(expected);
  });

  test.each([
    "",
    "30",
    "d",
    "30 d",
    "-30d",
    "30y",
    "1e3d",
    "999999d",
    "2030-05-01T10:00",
    "2030-13-01",
    "tomorrow",
  ])("--expires %j is no time", (text) => {
    expect(problems(["create"], { scopes: "admin", expires: text })).toEqual([
      "--expires: must be a time from now (90d, 12h, 30m) or a date",
    ]);
  });

  test("everything that is wrong is said together", () => {
    const flags = { scopes: "admin,root", name: "x".repeat(101), "user-id": "ada", expires: "never" };
    expect(problems(["create", "quickly"], flags)).toEqual([
      "--scopes: must be some of jobs:write, jobs:read, jobs:work, jobs:manage, agents:manage, admin, separated by commas",
      "--name: must be 1 to 100 characters",
      "--user-id: must be a UUID",
      "--expires: must be a time from now (90d, 12h, 30m) or a date",
      "keys create: takes flags only",
    ]);
  });

  test("what it may do has to be said, and who takes or manages everybody's jobs cannot be bound", () => {
    expect(problems(["create"])).toEqual(["--scopes: say what the key may do, such as --scopes=jobs:write"]);
    expect(problems(["create"], { scopes: "admin", "user-id": USER })).toEqual([
      "--user-id: cannot bind a key with the scope admin",
    ]);
    expect(problems(["create"], { scopes: "jobs:work", "user-id": USER })).toEqual([
      "--user-id: cannot bind a key with the scope jobs:work",
    ]);
  });
});

describe("list and revoke", () => {
  test("are understood", () => {
    expect(read(["list"])).toEqual({ action: "list" });
    expect(read(["revoke", ID])).toEqual({ action: "revoke", id: ID });
  });

  test("who pastes the whole key means its id", () => {
    const key = newKey();
    expect(read(["revoke", keyText(key)])).toEqual({ action: "revoke", id: key.id });
  });

  test("what belongs to neither is refused, and not repeated: it may be a key", () => {
    const needsId = "keys revoke: needs the id of one key, as keys list shows it";
    for (const words of [["revoke"], ["revoke", ID, ID], ["revoke", "jsk_abc"]])
      expect(problems(words)).toEqual([needsId]);
    expect(problems(["list", "all"])).toEqual(["keys list: takes nothing more"]);
    expect(problems(["list"], { name: "x", scopes: "admin" })).toEqual([
      "--name: belongs to keys create",
      "--scopes: belongs to keys create",
    ]);
    for (const words of [[], ["jsk_abc"], ["constructor"], ["Create"]])
      expect(problems(words)).toEqual(["keys: say create, list or revoke"]);
  });
});
