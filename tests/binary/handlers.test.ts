import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { api, jobBody } from "../support/api.ts";
import { program } from "../support/binary.ts";
import { testDatabase } from "../support/database.ts";
import { folderWith, handlerFile } from "../support/folder.ts";
import { isAlive } from "../support/processes.ts";
import { proxyTo } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { startWatching } from "../support/watching.ts";

setDefaultTimeout(60_000);

const jobsvc = await program();
const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const env = { DATABASE_URL };

const TSC = join(import.meta.dir, "../../node_modules/.bin/tsc");

describe("the executable runs TypeScript that lies beside it", () => {
  test("with files and packages of its own, and the same module jobsvc as within", async () => {
    const folder = await folderWith({
      "letter.ts": `import { defineJob, HandlerError, Type } from "jobsvc";
        import { createHash } from "node:crypto";
        import { stamp } from "stamps";
        import { sign } from "@parts/sign";
        type Letter = { to: string };
        export default defineJob({
          kind: "letter",
          queue: "mail",
          payload: Type.Object({ to: Type.String({ format: "email" }) }),
          run({ to }: Letter) {
            if (to.startsWith("nobody")) throw new HandlerError("nobody is there", { retryAfter: false });
            return { letter: stamp(sign(to)), hash: createHash("sha1").update(to).digest("hex").length };
          },
        });`,
      "parts/sign.ts": "export const sign = (text: string): string => text + ', yours';",
      "tsconfig.json": '{ "compilerOptions": { "paths": { "@parts/*": ["./parts/*"] } } }',
      "node_modules/stamps/package.json": '{ "name": "stamps", "type": "module", "exports": "./main.js" }',
      "node_modules/stamps/main.js": "export { stamp } from './stamp.js';",
      "node_modules/stamps/stamp.js": "export const stamp = (text) => '*' + text + '*';",
    });
    const service = await jobsvc.start(["--port=0", `--handlers=${folder}`], { env });
    const client = api(service.url);
    const letter = (to: string) => jobBody({ resource_type: "letter", payload: { to } });
    expect(await client.reached(await client.create(letter("ann@shop.example")), "completed")).toMatchObject({
      queue: "mail",
      result: { letter: "*ann@shop.example, yours*", hash: 40 },
    });
    const failed = await client.reached(await client.create(letter("nobody@shop.example")), "failed");
    expect(failed.attempts).toMatchObject([{ error: { stack: expect.stringContaining("letter.ts:11:") } }]);
    expect((await client.post("/api/jobs/create", letter("ann"))).status).toBe(422);
  });

  test("or does not start, and says which line is wrong", async () => {
    const folder = await folderWith({
      "a.ts": 'import { defineJob } from "jobsvc";\nimport "no-such-package";\nexport default 1;',
      "b.ts": "type A = {\n  a: string;\n};\nthrow new Error('no key');",
    });
    const { code, stdout, stderr } = await jobsvc.run(["--port=0", `--handlers=${folder}`], env);
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    expect(stderr).toContain(`  ${folder}/a.ts:2: Cannot find package 'no-such-package'`);
    expect(stderr).toMatch(/\/b\.ts:4:\d+: no key\n/);
  });
});

describe("handlers init and check", () => {
  test("make a folder that compiles where nothing is installed, and find it in order", async () => {
    const home = await folderWith({});
    const there = { command: [jobsvc.path], cwd: home };
    const made = jobsvc.launch(["handlers", "init"], there);
    expect(await made.ended).toBe(0);
    expect(made.stdout()).toBe(
      [
        "handlers/greeting.ts    a handler to begin with",
        "handlers/tsconfig.json  for editors and tsc",
        "handlers/jobsvc.d.ts    the types of the module jobsvc",
        "",
      ].join("\n"),
    );
    const tsc = Bun.spawn([TSC, "-p", "handlers"], { cwd: home, stdout: "pipe" });
    expect([await tsc.stdout.text(), await tsc.exited]).toEqual(["", 0]);

    const checked = jobsvc.launch(["handlers", "check"], there);
    expect(await checked.ended).toBe(0);
    expect(checked.stdout()).toBe("greeting  handlers/greeting.ts\n");

    const again = jobsvc.launch(["handlers", "init"], there);
    expect(await again.ended).toBe(2);
    expect(again.stderr()).toContain("these files are there already: handlers/greeting.ts");
  });

  test("tell what is wrong, and need no database to do it", async () => {
    const folder = await folderWith({ "a.ts": handlerFile("ant", "maxAttempts: 0,") });
    const { code, stdout, stderr } = await jobsvc.run(["handlers", "check"], { JOBSVC_HANDLERS: folder });
    expect({ code, stdout, stderr }).toEqual({
      code: 78,
      stdout: "",
      stderr: `${folder}/a.ts:6: maxAttempts must be a whole number from 1 to 1001\n`,
    });
  });
});

describe("--watch", () => {
  const start = (folder: string) => startWatching(jobsvc.launch, folder, env);

  test("starts the service anew at a change, waits for a better one, and stops with it", async () => {
    const folder = await folderWith({ "a.ts": handlerFile("ant") });
    const watching = await start(folder);
    const first = await watching.runs(1);
    await Bun.write(join(folder, "b.ts"), "half a");
    await watching.told("b.ts:1:6: Expected");
    expect(isAlive(first)).toBe(false);
    await Bun.write(join(folder, "b.ts"), handlerFile("bee"));
    const second = await watching.runs(2);
    const body = jobBody({ resource_type: "bee", payload: { to: "you" } });
    await watching.client.reached(await watching.client.create(body), "completed");
    watching.signal("SIGTERM");
    expect(await watching.ended).toBe(0);
    expect(isAlive(second)).toBe(false);
  });

  test("leaves no service behind when it is killed, not even one whose handler is stuck", async () => {
    const folder = await folderWith({});
    const stuck = `import { writeFileSync } from "node:fs";
      import { defineJob, Type } from "jobsvc";
      export default defineJob({ kind: "stuck", payload: Type.Any(), run() {
        writeFileSync("${folder}/.stuck", "");
        for (;;);
      } });`;
    await Bun.write(join(folder, "stuck.ts"), stuck);
    const watching = await start(folder);
    const service = await watching.runs(1);
    await watching.client.create(jobBody({ resource_type: "stuck", payload: {} }));
    await until("the handler to be stuck", () => Bun.file(join(folder, ".stuck")).exists());
    watching.signal("SIGKILL");
    await until("the service to end", () => !isAlive(service));
  });
});
