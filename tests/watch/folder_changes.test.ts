import { expect, onTestFinished, test } from "bun:test";
import { appendFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { folderChanges, pictureOf } from "../../src/watch/folder_changes.ts";
import { folderWith } from "../support/folder.ts";

async function changesOf(folders: string[]) {
  const changes = folderChanges(folders, (error) => {
    throw error;
  });
  onTestFinished(() => changes.stop());
  await changes.start();
  return changes;
}

test("whatever happens to a file is a change: it is made, grows, gets a name, goes; also below a folder", async () => {
  const folder = await folderWith({ "a.ts": "1", "parts/b.ts": "2" });
  const other = await folderWith({});
  const changes = await changesOf([folder, other]);
  const doings = [
    () => appendFile(join(folder, "a.ts"), "more"),
    () => Bun.write(join(folder, "new.ts"), ""),
    () => Bun.write(join(other, "first.ts"), ""),
    () => rename(join(folder, "new.ts"), join(folder, "renamed.ts")),
    () => appendFile(join(folder, "parts", "b.ts"), "more"),
    () => rm(join(folder, "renamed.ts")),
    () => rm(other, { recursive: true }),
    () => mkdir(other).then(() => Bun.write(join(other, "again.ts"), "")),
  ];
  for (const change of doings) {
    const changed = changes.next();
    await change();
    await changed;
  }
});

test("what is read, and what lies among packages or begins with a dot, is no change", async () => {
  const folder = await folderWith({ "a.ts": "1", "node_modules/b/index.js": "2", ".git/index": "3" });
  const before = await pictureOf([folder]);
  expect(before).toContain("a.ts");
  await Bun.file(join(folder, "a.ts")).text();
  for (const name of ["node_modules/b/index.js", ".git/index", ".a.ts.swp"])
    await Bun.write(join(folder, name), "new");
  expect(await pictureOf([folder])).toBe(before);
});
