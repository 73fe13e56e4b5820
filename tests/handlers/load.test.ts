import { describe, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { LoadError, loadHandler, loadHandlers } from "../../src/handlers/load.ts";
import { registry } from "../../src/handlers/registry.ts";
import { HandlerError, Snooze } from "../../src/job/errors.ts";
import { folderWith, handlerFile } from "../support/folder.ts";

/** Why these folders do not load, without the path of the only folder. */
async function problems(...folders: string[]): Promise<string[]> {
  const error = await loadHandlers(folders).then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(LoadError);
  return error.problems.map((problem: string) => problem.replaceAll(`${folders[0]}/`, ""));
}

async function problemsOf(text: string): Promise<string[]> {
  return await problems(await folderWith({ "job.ts": text }));
}

describe("the handlers of a folder", () => {
  test("are the default exports of its files, by name", async () => {
    const folder = await folderWith({ "b.ts": handlerFile("bee"), "a.ts": handlerFile("ant") });
    const loaded = await loadHandlers([folder]);
    expect(loaded.map(({ file, definition }) => [file, definition.kind])).toEqual([
      [join(folder, "a.ts"), "ant"],
      [join(folder, "b.ts"), "bee"],
    ]);
    expect(loaded[0]!.definition.run({ to: "you" }, undefined as never)).toEqual({ sent: "you" });
  });

  test("are not in what is no handler: tests, declarations, hidden files, other languages, subfolders", async () => {
    const broken = "this is no TypeScript";
    const folder = await folderWith({
      "a.ts": handlerFile("ant"),
      "a.test.ts": broken,
      "a.d.ts": broken,
      ".a.ts": broken,
      "a.js": broken,
      "deep/a.ts": broken,
      "node_modules/a/index.ts": broken,
    });
    expect(await loadHandlers([folder])).toHaveLength(1);
  });

  test("come from several folders, and from each once", async () => {
    const one = await folderWith({ "a.ts": handlerFile("ant") });
    const other = await folderWith({ "a.ts": handlerFile("bee") });
    const loaded = await loadHandlers([other, one, `${one}/`]);
    expect(loaded.map(({ definition }) => definition.kind)).toEqual(["bee", "ant"]);
  });

  test("are none in an empty folder", async () => {
    expect(await loadHandlers([await folderWith({})])).toEqual([]);
  });

  test("import what they need: their own files, and packages that lie beside them", async () => {
    const folder = await folderWith({
      "a.ts": `import { defineJob, Type } from "jobsvc";
        import { join } from "node:path";
        import { greet } from "./parts/greet";
        import { punctuate } from "punctuate";
        const payload = Type.Object({ to: Type.String() });
        export default defineJob({ kind: "ant", payload, run: ({ to }) => join("x", punctuate(greet(to))) });`,
      "parts/greet.ts": `import type { Name } from "./name.ts"; export const greet = (name: Name) => "hello " + name;`,
      "parts/name.ts": "export type Name = string;",
      "node_modules/punctuate/package.json": '{ "name": "punctuate", "main": "./index.js" }',
      "node_modules/punctuate/index.js": "exports.punctuate = (text) => text + '!';",
    });
    const [ant] = await loadHandlers([folder]);
    expect(ant!.definition.run({ to: "you" }, undefined as never)).toBe("x/hello you!");
  });

  test("get the service's own words from the module jobsvc", async () => {
    const folder = await folderWith({
      "a.ts": `import { defineJob, HandlerError, Snooze, Type } from "jobsvc";
        export default defineJob({
          kind: "ant",
          payload: Type.Any(),
          run(late) { throw late ? new Snooze(500) : new HandlerError("no", { retryAfter: false }); },
        });`,
    });
    const [ant] = await loadHandlers([folder]);
    expect(() => ant!.definition.run(false, undefined as never)).toThrow(HandlerError);
    expect(() => ant!.definition.run(true, undefined as never)).toThrow(Snooze);
  });

  test("check the formats of their payloads, whatever else runs in the process", async () => {
    const folder = await folderWith({
      "a.ts": `import { defineJob, Type } from "jobsvc";
        export default defineJob({ kind: "ant", payload: Type.String({ format: "email" }), run() {} });`,
    });
    const kinds = registry((await loadHandlers([folder])).map(({ definition }) => definition));
    expect(kinds.checkPayload("ant", "ann@shop.example")).toEqual([]);
    expect(kinds.checkPayload("ant", "ann")).toHaveLength(1);
  });

  test("load in a thread, too", async () => {
    const folder = await folderWith({ "a.ts": handlerFile("ant") });
    const thread = new Worker(new URL("./loading_thread.ts", import.meta.url));
    const told = new Promise((resolve, reject) => {
      thread.onmessage = ({ data }) => resolve(data);
      thread.onerror = ({ message }) => reject(new Error(message));
    });
    thread.postMessage(join(folder, "a.ts"));
    expect(await told).toEqual({ kind: "ant", result: { sent: "you" } });
    thread.terminate();
  });
});

describe("a file that does not load is told with its line and the reason:", () => {
  const define = 'import { defineJob, Type } from "jobsvc";\n';

  test.each([
    ["a slip of the keyboard", `${define}const a: = 1;`, "job.ts:2:10: Unexpected ="],
    [
      "half a file",
      `${define}export default defineJob({`,
      "job.ts:2:26: Expected identifier but found end of file",
    ],
    [
      "a package that is not there",
      `${define}\nimport mail from "no-such-mail";\nexport default mail;`,
      /^job\.ts:3: Cannot find package 'no-such-mail'/,
    ],
    [
      "a file that is not there",
      `${define}import { x } from "./nowhere.ts";\nexport default x;`,
      /^job\.ts:2: Cannot find module '.\/nowhere\.ts'/,
    ],
    [
      "a name that jobsvc does not have",
      `import {\n  defineJobs,\n} from "jobsvc";\nexport default defineJobs({});`,
      "job.ts:2: SyntaxError: Export named 'defineJobs' not found in module 'jobsvc'.",
    ],
    [
      "an error while it loads",
      `${define}type Gone = {\n  a: string;\n};\nfunction open(): never {\n  throw new TypeError("no key");\n}\nopen();`,
      /^job\.ts:6:\d+: TypeError: no key$/,
    ],
    ["something else that is thrown", `${define}throw "a text";`, "job.ts: string: a text"],
    ["no default export", `${define}export const job = 1;`, /^job\.ts: has no default export/],
    [
      "an export of something else",
      `${define}\nexport default 7;`,
      "job.ts:3: the default export must be a job of defineJob",
    ],
    [
      "a member that cannot be",
      `${define}export default defineJob({\n  kind: "ant",\n  payload: Type.Any(),\n  maxAttempts: 0,\n  run() {},\n});`,
      "job.ts:5: maxAttempts must be a whole number from 1 to 1001",
    ],
    [
      "a kind that is built in",
      handlerFile("ai_agent"),
      "job.ts:4: the kind ai_agent is built in and cannot be replaced; choose another name",
    ],
  ])("%s", async (_, text, expected) => {
    const [problem, ...more] = await problemsOf(text);
    if (typeof expected === "string") expect(problem).toBe(expected);
    else expect(problem).toMatch(expected);
    expect(more).toEqual([]);
  });

  test("a mistake in a file that it imports, where it is", async () => {
    const folder = await folderWith({
      "a.ts": 'import "./parts/part.ts";\nexport default 1;',
      "parts/part.ts": "\nconst a: = 1;",
    });
    expect(await problems(folder)).toEqual(["parts/part.ts:2:10: Unexpected ="]);
  });

  test("several mistakes in one file", async () => {
    expect(await problemsOf("const a = 1;\nconst a = 2;\nconst b = 1;\nconst b = 2;\n")).toEqual([
      'job.ts:2:7: "a" has already been declared',
      'job.ts:4:7: "b" has already been declared',
    ]);
  });

  test("waiting for what does not come", async () => {
    const folder = await folderWith({ "a.ts": "await new Promise(() => {});\nexport default 1;" });
    const file = join(folder, "a.ts");
    await expect(loadHandler(file, 50)).rejects.toThrow(`${file}: it does not load within 50 ms`);
  });
});

describe("all problems are told together:", () => {
  test("those of several files and folders, and of a folder that is not there", async () => {
    const folder = await folderWith({
      "a.ts": "const a: = 1;",
      "b.ts": handlerFile("bee"),
      "c.ts": "throw 1;",
    });
    const file = join(folder, "b.ts");
    expect(await problems(folder, join(folder, "gone"), file)).toEqual([
      "a.ts:1:10: Unexpected =",
      "c.ts: number: 1",
      "gone: there is no such folder",
      "b.ts: is no folder",
    ]);
  });

  test("two files that claim one kind", async () => {
    const folder = await folderWith({ "a.ts": handlerFile("ant"), "b.ts": handlerFile("ant") });
    expect(await problems(folder)).toEqual(["b.ts:4: the kind ant is already that of a.ts"]);
  });

  test("a folder that may not be read", async () => {
    const folder = await folderWith({});
    await mkdir(join(folder, "loop"));
    await Bun.$`rmdir ${folder}/loop && ln -s loop ${folder}/loop`.quiet();
    expect(await problems(folder, join(folder, "loop"))).toEqual(["loop: cannot be read (ELOOP)"]);
  });
});
