import { describe, expect, test } from "bun:test";
import { clientAgent } from "../../src/handlers/client_agent.ts";
import type { JobContext } from "../../src/handlers/define.ts";
import type { HandlerError } from "../../src/job/errors.ts";
import { guardedFetch } from "../../src/outbound/guarded_fetch.ts";
import {
  answers,
  answersInParts,
  answersJson,
  babbles,
  bombs,
  breaksOff,
  floods,
  hangs,
  resets,
} from "../support/behaviours.ts";
import { agentParts, clientAgentAt } from "../support/called_agents.ts";
import type { Behaviour } from "../support/fake_server.ts";
import { contextOf } from "../support/handlers.ts";
import { newSecret, receiver } from "../support/receiver.ts";

const server = await receiver();
const TOKEN = "jscb_secret-of-one-job";
let count = 0;

interface Options {
  context?: Partial<JobContext>;
  fetch?: ReturnType<typeof guardedFetch>;
}

/** What a job throws whose client behaves like this, and the key of its call. */
async function failure(behaviour: Behaviour, { context, fetch }: Options = {}) {
  const key = `failure ${++count}`;
  server.when(key, behaviour);
  const agent = clientAgentAt(server, newSecret());
  const parts = { findAgent: async () => agent, callbackToken: () => TOKEN, ...(fetch && { fetch }) };
  const payloadText = JSON.stringify({ case: key });
  const running = clientAgent(agentParts(parts, server)).run(
    {},
    contextOf({ ...context, job: { payloadText } }),
  );
  const error = await Promise.resolve(running).then(
    (result) => expect.unreachable(JSON.stringify(result)),
    (thrown: HandlerError) => thrown,
  );
  return { error: error as HandlerError, key };
}

describe("a client that refuses", () => {
  test.each([300, 400, 401, 404, 408, 409, 422, 429, 500, 502, 503, 504])(
    "with %d is called again by the curve",
    async (status) => {
      const { error } = await failure(answers(status, "not\n today"));
      expect(error).toMatchObject({
        name: "HandlerError",
        message: `the agent answered ${status}: not today`,
        reason: `status_${status}`,
        retryAfter: undefined,
      });
    },
  );

  test("with 410 is not called again", async () => {
    const { error } = await failure(answers(410, "", { "retry-after": "1" }));
    expect(error).toMatchObject({ reason: "status_410", retryAfter: false });
  });

  test.each([301, 302, 303, 307, 308])("with %d, and says where to go, is not followed", async (status) => {
    for (const location of [`${server.url}/jobs`, "//127.0.0.1/", "file:///etc/passwd"]) {
      const { error, key } = await failure(answers(status, "", { location }));
      expect(error).toMatchObject({ reason: `status_${status}`, retryAfter: undefined });
      expect(server.calls(key)).toHaveLength(1);
    }
  });

  const inAMinute = () => new Date(Date.now() + 60_000).toUTCString();
  test.each([
    ["seconds", () => "7", 7_000, 7_000],
    ["a date", inAMinute, 55_000, 60_000],
    ["words", () => "soon", undefined, undefined],
  ])("until a time that it says in %s is left alone until then", async (_, wish, least, most) => {
    for (const status of [429, 502, 503, 504]) {
      const { error } = await failure(answers(status, "", { "retry-after": wish() }));
      if (least === undefined) expect(error.retryAfter).toBeUndefined();
      else expect(error.retryAfter).toBeWithin(least, most! + 1);
    }
  });

  test("and repeats the token is not quoted with it", async () => {
    const { error } = await failure(answers(500, `headers: ${TOKEN}`));
    expect(error.message).toBe("the agent answered 500: headers: …");
    expect(`${error.stack}${JSON.stringify(error)}`).not.toContain(TOKEN);
  });
});

describe("a client that breaks off", () => {
  test.each<[string, Behaviour, string]>([
    ["before it answers", resets, "unreachable"],
    ["in the middle of its answer", breaksOff(200, '{"half":'), "unreachable"],
    ["with something that is no HTTP", babbles, "unreadable"],
    ["by answering compressed", bombs(64 * 1024 * 1024), "unreadable"],
  ])("%s is called again", async (_, behaviour, reason) => {
    const { error } = await failure(behaviour);
    expect(error).toMatchObject({ name: "HandlerError", reason, retryAfter: undefined });
  });
});

describe("work that is done, but answered wrongly, is not done twice:", () => {
  test.each<[string, Behaviour, string]>([
    ["a page", answers(200, "<html>  thanks </html>"), "<html> thanks </html>"],
    ["words", answers(200, "OK"), "OK"],
    ["half of a JSON", answers(200, '{"a":'), '{"a":'],
    ["bytes", answers(200, Buffer.from([0x22, 0xff, 0x22])), "bytes that are no UTF-8"],
  ])("%s", async (_, behaviour, said) => {
    const { error } = await failure(behaviour);
    expect(error).toMatchObject({
      message: `the agent answered 200 with a body that is not JSON: ${said}`,
      reason: "invalid_answer",
      retryAfter: false,
    });
  });

  test.each<[string, Behaviour]>([
    ["a mebibyte and more", answersJson(200, "x".repeat(1024 * 1024))],
    ["an answer without an end", floods("x".repeat(60_000))],
  ])("%s", async (_, behaviour) => {
    const { error, key } = await failure(behaviour);
    expect(error).toMatchObject({ reason: "too_large", retryAfter: false });
    await server.calls(key)[0]!.closed;
  });
});

describe("a call", () => {
  test.each([
    ["that hangs", hangs],
    ["whose answer hangs", answersInParts(['{"a":'], { ends: false })],
    ["whose answer drips", answersInParts(Array(1_000).fill(" "), { between: () => Bun.sleep(20) })],
  ])("%s is closed when the job is broken off", async (_, behaviour) => {
    const controller = new AbortController();
    const running = failure(behaviour, { context: { signal: controller.signal } });
    const call = await server.called(`failure ${count}`);
    controller.abort(new Error("time is up"));
    await call.closed;
    expect((await running).error.message).toBe("time is up");
  });

  test("that the rules of this service forbid ends the job, and nothing is sent", async () => {
    const strict = guardedFetch({ http: true, ports: [server.port], allow: [] });
    const { error, key } = await failure(hangs, { fetch: strict });
    expect(error).toMatchObject({ reason: "blocked", retryAfter: false });
    expect(server.calls(key)).toEqual([]);
  });
});
