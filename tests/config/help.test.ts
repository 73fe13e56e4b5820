import { expect, test } from "bun:test";
import { COMMANDS } from "../../src/config/arguments.ts";
import * as exitCodes from "../../src/config/exit_codes.ts";
import { helpText, settingsTable } from "../../src/config/help.ts";
import { flagOf, variableOf } from "../../src/config/names.ts";
import { parseCommand } from "../../src/config/parse.ts";
import { SETTING_ROWS } from "../../src/config/settings.ts";

test("a key, its flag and its variable are the same words", () => {
  expect(flagOf("pollIntervalMs")).toBe("--poll-interval-ms");
  expect(variableOf("pollIntervalMs")).toBe("JOBSVC_POLL_INTERVAL_MS");
});

test("the help names every command, every setting and every exit code", () => {
  const help = helpText();
  for (const command of COMMANDS) expect(help).toContain(command);
  for (const [key, { description }] of SETTING_ROWS) {
    expect(help).toContain(flagOf(key).slice("--".length));
    expect(help).toContain(description);
  }
  for (const code of Object.values(exitCodes)) expect(help).toMatch(new RegExp(`\\b${code}\\b`));
});

test("the help fits on a screen of 120 columns", () => {
  expect(
    helpText()
      .split("\n")
      .filter((line) => line.length > 120),
  ).toEqual([]);
});

test("the command line of the help's example is understood", () => {
  const example = helpText().match(/DATABASE_URL=(\S+) jobsvc (.+)/)!;
  const command = parseCommand(example[2]!.split(" "), { DATABASE_URL: example[1] }, () => "");
  expect(command.command).toBe("serve");
});

test("the table has a row for each setting, and every default that it names is accepted", () => {
  const rows = settingsTable().split("\n").slice(2);
  expect(rows).toHaveLength(SETTING_ROWS.length);
  for (const row of rows) {
    const [, , variable, value] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
    // What stands there in words depends on something else.
    const literal = value!.match(/^`(.*)`$/)?.[1] ?? "none";
    if (literal === "none") continue;
    const name = variable!.match(/^`(\w+)`/)![1]!;
    expect(() => parseCommand([], { [name]: literal }, () => "")).not.toThrow();
  }
});
