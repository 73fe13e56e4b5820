import { expect, test } from "bun:test";
import { settingsTable } from "../../src/config/help.ts";

test("the README's table of settings is the one in the program", async () => {
  const readme = await Bun.file(`${import.meta.dir}/../../README.md`).text();
  const table = readme.match(/<!-- settings -->\n([\s\S]*?)\n<!-- \/settings -->/)?.[1];
  expect(table?.trim()).toBe(settingsTable());
});
