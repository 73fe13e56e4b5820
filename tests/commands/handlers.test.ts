import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { handlersCommand } from "../../src/commands/handlers.ts";
import { EXIT_CONFIGURATION, EXIT_USAGE } from "../../src/config/exit_codes.ts";
import { CommandError, parseCommand } from "../../src/config/parse.ts";
import { folderWith, handlerFile } from "../support/folder.ts";

/** Run from source, the command has the compiler make the types. */
setDefaultTimeout(60_000);

/** What the command prints, or how it is refused. */
async function said(...argv: string[]) {
  const command = parseCommand(["handlers", ...argv], {}, () => "");
  if (command.command !== "handlers") throw new Error(`another command: ${command.command}`);
  const printed = { data: [] as string[], notes: [] as string[] };
  const printer = {
    data: (line: string) => void printed.data.push(line),
    note: (line: string) => void printed.notes.push(line),
  };
  try {
    await handlersCommand(command.words, command.settings, printer);
    return printed;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { code: error.exitCode, problems: error.problems };
  }
}

describe("handlers check", () => {
  test("tells each kind and its file", async () => {
    const folder = await folderWith({ "a.ts": handlerFile("ant"), "b.ts": handlerFile("bumblebee") });
    expect(await said("check", `--handlers=${folder}`)).toEqual({
      data: [`ant        ${folder}/a.ts`, `bumblebee  ${folder}/b.ts`],
      notes: [],
    });
  });

  test("tells every problem, as a wrong setting", async () => {
    const folder = await folderWith({ "a.ts": "const a: = 1;", "b.ts": handlerFile("client_agent") });
    expect(await said("check", "--handlers", folder)).toEqual({
      code: EXIT_CONFIGURATION,
      problems: [
        `${folder}/a.ts:1:10: Unexpected =`,
        `${folder}/b.ts:4: the kind client_agent is built in and cannot be replaced; choose another name`,
      ],
    });
  });

  test("says so when there is nothing", async () => {
    const folder = await folderWith({});
    expect(await said("check", `--handlers=${folder}`)).toEqual({
      data: [],
      notes: [`There are no handlers in ${folder}.`],
    });
  });
});

describe("handlers init", () => {
  test("makes a folder that check finds in order, but does not make it twice", async () => {
    const folder = join(await folderWith({}), "deep", "handlers");
    expect(await said("init", folder)).toEqual({
      data: [
        `${folder}/greeting.ts    a handler to begin with`,
        `${folder}/tsconfig.json  for editors and tsc`,
        `${folder}/jobsvc.d.ts    the types of the module jobsvc`,
      ],
      notes: [`Start them with: jobsvc --handlers=${folder} --watch`],
    });
    expect(await said("check", `--handlers=${folder}`)).toEqual({
      data: [`greeting  ${folder}/greeting.ts`],
      notes: [],
    });
    expect(await said("init", folder)).toEqual({
      code: EXIT_USAGE,
      problems: [
        `handlers init: these files are there already: ${folder}/greeting.ts, ${folder}/tsconfig.json, ${folder}/jobsvc.d.ts`,
      ],
    });
  });
});

test.each([[[]], [["chek"]], [["check", "more"]], [["init", "a", "b"]]])(
  "handlers %p is no command",
  async (words) => {
    expect(await said(...words)).toMatchObject({ code: EXIT_USAGE });
    expect(existsSync("a")).toBe(false);
  },
);
