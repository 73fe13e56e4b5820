import { describe, expect, test } from "bun:test";
import { type ClientAgentParts, clientAgent } from "../../src/handlers/client_agent.ts";
import type { JobContext, JobInfo } from "../../src/handlers/define.ts";
import { RawJson } from "../../src/job/raw_json.ts";
import { answers, answersJson } from "../support/behaviours.ts";
import { agentParts, clientAgentAt } from "../support/called_agents.ts";
import { contextOf } from "../support/handlers.ts";
import { newSecret, receiver, verified } from "../support/receiver.ts";

const server = await receiver();
const SECRET = newSecret();

interface Options {
  /** JSON text of the payload; an object with the case if left out. */
  payloadText?: string;
  secrets?: string[];
  job?: Partial<JobInfo>;
  context?: Partial<Omit<JobContext, "job">>;
  parts?: Partial<ClientAgentParts>;
}

/** One attempt of a job for a client that knows what to do in this case. */
async function attempt(name: string, options: Options = {}): Promise<unknown> {
  const { payloadText = JSON.stringify({ case: name }), secrets = [SECRET], job, context, parts } = options;
  const agent = clientAgentAt(server, ...secrets);
  const definition = clientAgent(agentParts({ findAgent: async () => agent, ...parts }, server));
  return await definition.run(
    JSON.parse(payloadText),
    contextOf({ ...context, job: { ...job, payloadText } }),
  );
}

describe("a call", () => {
  test("says which job, which attempt, and what is to be done", async () => {
    const job = { id: Bun.randomUUIDv7(), queue: "mail", maxAttempts: 9 };
    await attempt("an envelope", { job, context: { attempt: 3 } });
    const [call] = server.calls("an envelope");
    expect(call).toMatchObject({ method: "POST", path: "/jobs" });
    expect(JSON.parse(call!.body)).toEqual({
      type: "job.run",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      data: {
        job_id: job.id,
        attempt: 3,
        kind: "ai_agent",
        queue: "mail",
        user_id: expect.any(String),
        resource_id: expect.any(String),
        payload: { case: "an envelope" },
      },
    });
  });

  test("is signed with the secret of the agent: the reference library says so", async () => {
    const id = Bun.randomUUIDv7();
    await attempt("signed", { job: { id } });
    const [call] = server.calls("signed");
    expect(verified(call!, SECRET).data.job_id).toBe(id);
    expect(call!.headers["webhook-id"]).toBe(id);
    expect(call!.headers["webhook-signature"]).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
    expect(() => verified(call!, newSecret())).toThrow("No matching signature found");
    const changed = { ...call!, body: call!.body.replace("signed", "forged") };
    expect(() => verified(changed, SECRET)).toThrow("No matching signature found");
  });

  test("is signed twice while a secret is being replaced", async () => {
    const [young, old] = [newSecret(), newSecret()];
    await attempt("rotated", { secrets: [young, old] });
    const [call] = server.calls("rotated");
    for (const secret of [young, old]) expect(verified(call!, secret).type).toBe("job.run");
    expect(call!.headers["webhook-signature"]!.split(" ")).toHaveLength(2);
  });

  test("brings the payload character by character", async () => {
    const payloadText =
      '{ "case":"exact", "n": 12345678901234567890, "e":1e400,\t"s": "\\ud83d\\u0000é" , "n":2}';
    await attempt("exact", { payloadText });
    const [call] = server.calls("exact");
    expect(call!.body).toEndWith(`,"payload":${payloadText}}}`);
    verified(call!, SECRET);
  });

  test("has the same id at every attempt, and another signature", async () => {
    const id = Bun.randomUUIDv7();
    for (const number of [1, 2]) await attempt("again", { job: { id }, context: { attempt: number } });
    const calls = server.calls("again");
    expect(calls.map(({ headers }) => headers["webhook-id"])).toEqual([id, id]);
    expect(new Set(calls.map(({ headers }) => headers["webhook-signature"])).size).toBe(2);
    expect(calls.map((call) => verified(call, SECRET).data.attempt)).toEqual([1, 2]);
  });

  test("tells how to call back, and passes on the trace", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await attempt("headers", {
      job: { leaseId: "the-lease", traceparent },
      context: { attempt: 2 },
      parts: {
        callbackToken: ({ leaseId }, attempt) => `token-of-${leaseId}-${attempt}`,
        callbackUrl: "https://jobs.example/api/callbacks",
      },
    });
    expect(server.calls("headers")[0]!.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "jobsvc",
      "jobsvc-callback-token": "token-of-the-lease-2",
      "jobsvc-callback-url": "https://jobs.example/api/callbacks",
      traceparent,
    });
    await attempt("no headers");
    const { headers } = server.calls("no headers")[0]!;
    expect(headers).not.toHaveProperty("traceparent");
    expect(headers).not.toHaveProperty("jobsvc-callback-url");
  });
});

describe("what the client answers", () => {
  test("becomes the result character by character, whatever its type is called", async () => {
    const text = ' {"n": 12345678901234567890, "e": 1e400}\n';
    server.when("raw", answers(200, text, { "content-type": "text/plain" }));
    expect(await attempt("raw")).toEqual(new RawJson(text));
  });

  test.each([
    ["any success", answersJson(201, [1]), new RawJson("[1]")],
    ["202 without a promise to call back", answersJson(202, "ok"), new RawJson('"ok"')],
    ["nothing", answers(200), null],
    ["no content", answers(204), null],
  ])("%s is a result", async (name, behaviour, result) => {
    server.when(name, behaviour);
    expect(await attempt(name)).toEqual(result);
  });
});

describe("a client that will call back", () => {
  const accepted = answers(202, "on its way", { location: "https://client.example/work/7" });

  test("is waited for until somebody ends the attempt, and its address is not called", async () => {
    server.when("promise", accepted);
    const controller = new AbortController();
    const running = attempt("promise", { context: { signal: controller.signal } });
    await (await server.called("promise")).closed;
    expect(await Promise.race([running, Bun.sleep(20).then(() => "waits")])).toBe("waits");
    controller.abort("completed");
    await expect(running).rejects.toBe("completed");
    expect(server.calls("promise")).toHaveLength(1);
  });

  test("is not waited for when it has called back before it answered", async () => {
    const controller = new AbortController();
    server.when("too late", (socket, call) => {
      controller.abort("completed");
      return accepted(socket, call);
    });
    const running = attempt("too late", { context: { signal: controller.signal } });
    await expect(running).rejects.toBe("completed");
  });
});
