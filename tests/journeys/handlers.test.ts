import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { api, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { folderWith, handlerFile } from "../support/folder.ts";
import { proxyTo } from "../support/proxy.ts";
import { runCommand, startService } from "../support/service.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const env = { DATABASE_URL };

const LETTER = `import { defineJob, HandlerError, Type } from "jobsvc";
import { stamp } from "./parts/stamp.ts";

export default defineJob({
  kind: "letter",
  queue: "mail",
  maxAttempts: 2,
  retry: { type: "fixed", delayMs: 0 },
  payload: Type.Object({ to: Type.String({ format: "email" }), text: Type.String() }, { additionalProperties: false }),
  async run({ to, text }, { attempt, job, log, progress }) {
    log("writing", { to });
    progress(50);
    if (text === "fails once" && attempt === 1) throw new Error("the pen is empty");
    if (text === "fails for good") throw new HandlerError("nobody can read this", { retryAfter: false });
    return { stamped: stamp(text), queue: job.queue, attempt };
  },
});
`;

/** A folder with one kind, and a service that has it. */
async function serviceWithLetters(...args: string[]) {
  const folder = await folderWith({
    "letter.ts": LETTER,
    "parts/stamp.ts": "export const stamp = (text: string): string => ['', text, ''].join('*');",
  });
  const service = await startService({ args: ["--port=0", `--handlers=${folder}`, ...args], env });
  return { folder, service, client: api(service.url) };
}

const letter = (text: string, changes: Record<string, unknown> = {}) =>
  jobBody({
    resource_type: "letter",
    payload: { to: "ann@shop.example", text },
    max_retries: undefined,
    ...changes,
  });

describe("a kind of one's own", () => {
  test("is loaded at the start, which tells so, and its jobs run where it says", async () => {
    const { folder, service, client } = await serviceWithLetters();
    expect(await service.logged("handler.loaded")).toMatchObject({
      level: "info",
      kind: "letter",
      file: join(folder, "letter.ts"),
    });
    expect(await service.logged("worker.started")).toMatchObject({ queues: "default, mail" });

    const id = await client.create(letter("hello"));
    expect(await client.reached(id, "completed")).toMatchObject({
      resource_type: "letter",
      queue: "mail",
      max_retries: 1,
      result: { stamped: "*hello*", queue: "mail", attempt: 1 },
    });
    const events = await (await client.get(`/api/jobs/${id}/events`)).text();
    expect(events).toContain('"message":"writing","fields":{"to":"ann@shop.example"}');
  });

  test("retries by its own policy, and not what must not be retried", async () => {
    const { client } = await serviceWithLetters();
    const again = await client.reached(await client.create(letter("fails once")), "completed");
    expect(again.attempts.map(({ outcome }) => outcome)).toEqual(["failed", "completed"]);
    const failed = await client.reached(await client.create(letter("fails for good")), "failed");
    expect(failed.attempts).toMatchObject([
      { outcome: "failed", error: { name: "HandlerError", message: "nobody can read this" } },
    ]);
  });

  test("checks payloads at the door, one by one and many at once, with a pointer to each fault", async () => {
    const { client } = await serviceWithLetters("--role=api");
    const wrong = letter("hello", { payload: { to: "ann", cc: 1 } });
    const one = await client.post("/api/jobs/create", wrong);
    expect([one.status, await one.json()]).toMatchObject([
      422,
      { errors: [{ pointer: "/payload/text" }, { pointer: "/payload/cc" }, { pointer: "/payload/to" }] },
    ]);
    const many = await client.post("/api/jobs/batch", [
      letter("hello"),
      { ...wrong, payload: '{"to":7,"text":""}' },
    ]);
    expect([many.status, await many.json()]).toMatchObject([422, { errors: [{ pointer: "/1/payload/to" }] }]);
  });

  test("gives its defaults to the jobs of a batch, too, but what they name themselves counts", async () => {
    const { client } = await serviceWithLetters("--role=api");
    const jobs = [letter("a"), letter("b", { queue: "slow", max_retries: 9 })];
    const { job_ids } = (await (await client.post("/api/jobs/batch", jobs)).json()) as { job_ids: string[] };
    const [own, named] = await Promise.all(job_ids.map(client.job));
    expect(own).toMatchObject({ queue: "mail", max_retries: 1 });
    expect(named).toMatchObject({ queue: "slow", max_retries: 9 });
  });

  test("is in the OpenAPI document, with its payload", async () => {
    const { client } = await serviceWithLetters("--role=api");
    const { components } = (await (await client.get("/openapi.json")).json()) as {
      components: { schemas: object };
    };
    expect(components.schemas).toMatchObject({
      NewJob: {
        anyOf: [{ oneOf: expect.arrayContaining([{ $ref: "#/components/schemas/NewJob.letter" }]) }, {}],
      },
      "Payload.letter": { properties: { to: { type: "string", format: "email" } } },
    });
  });
});

describe("the queues of a process", () => {
  test("are exactly those of --queues, when it is given", async () => {
    const { service } = await serviceWithLetters("--role=worker", "--queues=mail:3");
    expect(await service.logged("worker.started")).toMatchObject({ queues: "mail" });
  });
});

describe("what does not load", () => {
  test("stops the start before anything else, with all that is wrong", async () => {
    const folder = await folderWith({
      "a.ts": "const a: = 1;",
      "b.ts": handlerFile("ai_agent"),
      "c.ts": handlerFile("c"),
    });
    const args = ["--port=0", `--handlers=${folder},${folder}/gone`];
    const seen = relative(tmpdir(), folder);
    const { code, stdout, stderr } = await runCommand({
      args,
      env: { DATABASE_URL: "postgres://nobody@127.0.0.1:1/x" },
    });
    expect({ code, stdout, stderr }).toEqual({
      code: 78,
      stdout: "",
      stderr: [
        "jobsvc cannot start:",
        `  ${seen}/a.ts:1:10: Unexpected =`,
        `  ${seen}/gone: there is no such folder`,
        `  ${seen}/b.ts:4: the kind ai_agent is built in and cannot be replaced; choose another name`,
        "See jobsvc --help.",
        "",
      ].join("\n"),
    });
  });

  test("is named by JOBSVC_HANDLERS as well", async () => {
    const { code, stderr } = await runCommand({
      args: ["--port=0"],
      env: { ...env, JOBSVC_HANDLERS: "/nowhere" },
    });
    expect(code).toBe(78);
    expect(stderr).toContain("/nowhere: there is no such folder");
  });
});
