import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobContext } from "../../src/handlers/define.ts";
import { loadHandlers } from "../../src/handlers/load.ts";
import { newFolder, OccupiedError } from "../../src/handlers/new_folder.ts";
import { folderWith } from "../support/folder.ts";
import { SILENT } from "../support/reporter.ts";

/** The compiler reads all the types of TypeBox, and may share its machine. */
setDefaultTimeout(60_000);

const TSC = join(import.meta.dir, "../../node_modules/.bin/tsc");

let folder: string;

beforeAll(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "jobsvc-new-")), "handlers");
  await newFolder(folder);
});

afterAll(() => rm(join(folder, ".."), { recursive: true, force: true }));

/** What the compiler has against the folder, with one more file in it; nothing is installed there. */
async function complaints(text = "export {};"): Promise<string> {
  await Bun.write(join(folder, "more.ts"), text);
  const tsc = Bun.spawn([TSC, "-p", folder, "--skipLibCheck", "false"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said = await new Response(tsc.stdout).text();
  await rm(join(folder, "more.ts"));
  expect(await tsc.exited).toBe(said === "" ? 0 : 1);
  return said;
}

describe("a new folder", () => {
  test("has an example, what an editor needs, and nothing else", async () => {
    expect((await readdir(folder)).sort()).toEqual(["greeting.ts", "jobsvc.d.ts", "tsconfig.json"]);
    expect(await readFile(join(folder, "jobsvc.d.ts"), "utf8")).toContain("Permission is hereby granted");
  });

  test("has an example that loads and runs", async () => {
    const [greeting] = await loadHandlers([folder]);
    expect(greeting!.definition.kind).toBe("greeting");
    const context = { ...SILENT, attempt: 1 } as unknown as JobContext;
    expect(await greeting!.definition.run({ name: "Ada", times: 2 }, context)).toEqual({
      greetings: ["Hello Ada!", "Hello Ada!"],
    });
    await expect(greeting!.definition.run({ name: "nobody" }, context)).rejects.toThrow("nobody to greet");
  });

  test("compiles, with every type in the declarations", async () => {
    expect(await complaints()).toBe("");
  });

  test("is filled no second time, and no file in it is touched", async () => {
    const other = await folderWith({ "tsconfig.json": "{}" });
    await expect(newFolder(other)).rejects.toThrow(new OccupiedError([join(other, "tsconfig.json")]));
    expect(await readdir(other)).toEqual(["tsconfig.json"]);
    expect(await readFile(join(other, "tsconfig.json"), "utf8")).toBe("{}");
  });
});

test("the README's handler is one, and compiles", async () => {
  const readme = await readFile(join(import.meta.dir, "../../README.md"), "utf8");
  const text = readme.match(/```ts\n(\/\/ handlers\/letter\.ts\n[\s\S]*?)```/)![1]!;
  const [letter] = await loadHandlers([await folderWith({ "letter.ts": text })]);
  expect(letter!.definition).toMatchObject({ kind: "letter", queue: "mail", maxAttempts: 4 });
  expect(await complaints(text)).toBe("");
});

describe("an editor", () => {
  test("knows the type of a payload by its schema, and everything that a handler is given", async () => {
    const text = `
      import { defineJob, HandlerError, type JobContext, type JobDefinition, Snooze, type Static, Type } from "jobsvc";
      const Address = Type.Object({ city: Type.String(), zip: Type.Optional(Type.String()) });
      type Address = Static<typeof Address>;
      const home: Address = { city: "Turin" };
      const colour = Type.Union([Type.Literal("red"), Type.Literal("blue")]);
      function tell({ log, progress, emit, signal, job, attempt }: JobContext): number {
        log("a line", { attempt });
        progress(50, "half");
        emit({ chunk: 1 });
        signal.throwIfAborted();
        return job.maxAttempts;
      }
      const definition: JobDefinition = defineJob({
        kind: "letter",
        queue: "mail",
        payload: Type.Object({ to: Type.Array(Address), colour }),
        timeoutMs: 1_000,
        maxAttempts: 3,
        retry: (failures, error, random) => (error instanceof TypeError ? false : failures * 1_000 * random),
        onLost: "fail",
        thread: true,
        async run({ to, colour }, context) {
          const towns: string[] = to.map(({ city }) => city);
          const zip: string | undefined = to[0]?.zip;
          const isRed: boolean = colour === "red";
          if (tell(context) > 1) throw new HandlerError("later", { retryAfter: 1_000, cause: zip });
          if (isRed) throw new Snooze(1_000);
          const answer = await fetch("https://letters.example", { signal: context.signal });
          return { towns, home, status: answer.status };
        },
      });
      export default definition;`;
    expect(await complaints(text)).toBe("");
  });

  test("complains of what is wrong", async () => {
    const text = `
      import { defineJob, HandlerError, Type } from "jobsvc";
      // @ts-expect-error no such name
      import { defineJobs } from "jobsvc";
      const payload = Type.Object({ to: Type.String() });
      defineJob({ kind: "a", payload, run({ to }) {
        // @ts-expect-error a text is no number
        const count: number = to;
        return count;
      } });
      // @ts-expect-error no such member of the payload
      defineJob({ kind: "a", payload, run: ({ from }) => from });
      // @ts-expect-error no such member of the context
      defineJob({ kind: "a", payload, run: (_, { shout }) => shout });
      // @ts-expect-error run is missing
      defineJob({ kind: "a", payload });
      // @ts-expect-error no such member of a definition
      defineJob({ kind: "a", payload, colour: "red", run() {} });
      // @ts-expect-error a schema is needed
      defineJob({ kind: "a", payload: { to: "text" }, run() {} });
      // @ts-expect-error a text is no time
      new HandlerError("a", { retryAfter: "soon" });`;
    expect(await complaints(text)).toBe("");
    expect(await complaints(`import { Type } from "jobsvc"; Type.Strin();`)).toContain(
      "'Strin' does not exist",
    );
  });
});
