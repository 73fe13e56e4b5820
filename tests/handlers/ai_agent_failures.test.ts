import { describe, expect, test } from "bun:test";
import { aiAgent } from "../../src/handlers/ai_agent.ts";
import type { JobContext } from "../../src/handlers/define.ts";
import type { AiAgentConfig } from "../../src/job/agent.ts";
import type { HandlerError } from "../../src/job/errors.ts";
import type { Usage } from "../../src/job/usage.ts";
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
import { agentParts, aiAgentAt } from "../support/called_agents.ts";
import type { Behaviour } from "../support/fake_server.ts";
import { contextOf } from "../support/handlers.ts";
import { EVENT_STREAM, ending, event, modelServer, piece, streams } from "../support/model_server.ts";

const server = await modelServer();
const API_KEY = "sk-very-secret";

interface Options {
  config?: Partial<AiAgentConfig>;
  context?: Partial<JobContext>;
  fetch?: ReturnType<typeof guardedFetch>;
}

let count = 0;

/** What a job throws whose endpoint behaves like this, what it has spent by then, and the key of its call. */
async function failure(behaviour: Behaviour, { config, context, fetch }: Options = {}) {
  const key = `failure ${++count}`;
  server.when(key, behaviour);
  const agent = aiAgentAt(server, config, { apiKey: API_KEY });
  const parts = agentParts({ findAgent: async () => agent, ...(fetch && { fetch }) }, server);
  const spent: Usage[] = [];
  const running = aiAgent(parts).run(
    key,
    contextOf({ spent: (usage) => void spent.push(usage), ...context }),
  );
  const error = await Promise.resolve(running).then(
    (result) => expect.unreachable(JSON.stringify(result)),
    (thrown: HandlerError) => thrown,
  );
  return { error: error as HandlerError, spent, key };
}

const openAiError = (status: number, headers: Record<string, string> = {}) =>
  answersJson(status, { error: { message: `no: ${status}`, type: "x", code: null } }, headers);

describe("an endpoint that refuses", () => {
  test.each([408, 409, 429, 500, 502, 503, 504, 529])(
    "with %d is asked again by the curve",
    async (status) => {
      const { error, spent } = await failure(openAiError(status));
      expect(error).toMatchObject({
        name: "HandlerError",
        message: `the model's server answered ${status}: no: ${status}`,
        reason: `status_${status}`,
        retryAfter: undefined,
      });
      expect(spent).toEqual([]);
    },
  );

  test.each([301, 307, 400, 401, 402, 403, 404, 405, 413, 422])(
    "with %d is not asked again",
    async (status) => {
      const { error, key } = await failure(
        openAiError(status, { location: "http://127.0.0.1:1/", "retry-after": "1" }),
      );
      expect(error).toMatchObject({ reason: `status_${status}`, retryAfter: false });
      expect(server.calls(key)).toHaveLength(1);
    },
  );

  const inAMinute = () => new Date(Date.now() + 60_000).toUTCString();
  test.each([
    ["seconds", () => ({ "retry-after": "7" }), 7_000, 7_000],
    ["a date", () => ({ "retry-after": inAMinute() }), 55_000, 60_000],
    ["a date that is past", () => ({ "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }), 0, 0],
    ["milliseconds", () => ({ "retry-after-ms": "250", "retry-after": "7" }), 250, 250],
    ["years", () => ({ "retry-after": "99999999999" }), 86_400_000, 86_400_000],
  ])("until a time that it says in %s is left alone until then", async (_, headers, least, most) => {
    for (const status of [429, 503]) {
      const { error } = await failure(openAiError(status, headers()));
      expect(error.retryAfter).toBeWithin(least, most + 1);
    }
  });

  test("in words of its own is quoted, in one short line", async () => {
    const page = `<html>\n  <b>Bad Gateway</b>\r\n${"x".repeat(100_000)}`;
    const { error } = await failure(answers(502, page));
    expect(error.message).toStartWith("the model's server answered 502: <html> <b>Bad Gateway</b> xxx");
    expect(error.message.length).toBeLessThan(400);
    const other = await failure(answersJson(400, { detail: "no such model" }));
    expect(other.error.message).toContain('{"detail":"no such model"}');
    expect((await failure(answers(500))).error.message).toBe("the model's server answered 500");
  });

  test("and repeats the key is not quoted with it", async () => {
    const { error } = await failure(
      answersJson(401, { error: { message: `Incorrect API key: ${API_KEY}.` } }),
    );
    expect(error.message).toBe("the model's server answered 401: Incorrect API key: ….");
    expect(`${error.stack}${JSON.stringify(error)}`).not.toContain(API_KEY);
  });

  test("is known by its status, also when the rest never comes", async () => {
    const headers = { "retry-after": "3" };
    for (const behaviour of [
      breaksOff(503, "Overloaded", headers),
      answersInParts(["Overloaded"], { status: 503, headers, ends: false }),
    ]) {
      const { error, key } = await failure(behaviour);
      expect(error).toMatchObject({ reason: "status_503", retryAfter: 3_000 });
      expect(error.message).toEndWith(": Overloaded");
      await server.calls(key)[0]!.closed;
    }
  });
});

describe("an endpoint that breaks off", () => {
  test.each([
    ["before it answers", resets, "unreachable"],
    ["with something that is no HTTP", babbles, "unreadable"],
  ])("%s is asked again", async (_, behaviour, reason) => {
    const { error, spent } = await failure(behaviour);
    expect(error).toMatchObject({ name: "HandlerError", reason, retryAfter: undefined });
    expect(spent).toEqual([]);
  });

  test("in the middle of its answer is asked again, and what it has used up counts", async () => {
    const { error, spent } = await failure(breaksOff(200, piece("12345678"), EVENT_STREAM));
    expect(error).toMatchObject({ reason: "unreachable", retryAfter: undefined });
    expect(spent.at(-1)).toMatchObject({ output_tokens: 2, estimated: true });
  });

  test("by ending before the model had is asked again", async () => {
    const { error } = await failure(streams([piece("Half of")]));
    expect(error).toMatchObject({ reason: "incomplete_answer", retryAfter: undefined });
  });

  test("with an error in the middle is asked again, and quoted without the key", async () => {
    const { error } = await failure(
      streams([piece("x"), event({ error: { message: `overloaded ${API_KEY}` } })]),
    );
    expect(error).toMatchObject({
      reason: "broken_off",
      message: "the model's server broke off: overloaded …",
    });
  });
});

describe("an answer that is no stream of a chat completion", () => {
  test.each<[string, Behaviour]>([
    ["a page", answers(200, "<html>welcome</html>", { "content-type": "text/html" })],
    ["nothing", answers(200)],
    ["no content", answers(204)],
    ["JSON that does not stream", answersJson(200, { choices: [{ message: { content: "whole" } }] })],
    ["events that are no JSON", streams([event("{")])],
    [
      "events that are something else",
      streams([1, null, [], "x", {}].map((value) => event(JSON.stringify(value)))),
    ],
    [
      "members of other types",
      streams([event({ choices: "x", usage: 7, model: [] }), event({ choices: [7] })]),
    ],
    ["bytes", answers(200, Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x0a]), EVENT_STREAM)],
  ])("%s: the endpoint is asked again", async (_, behaviour) => {
    const { error } = await failure(behaviour);
    expect(error).toMatchObject({ name: "HandlerError", reason: "invalid_answer", retryAfter: undefined });
  });

  test("because it is compressed, is not unpacked", async () => {
    const { error } = await failure(bombs(64 * 1024 * 1024, EVENT_STREAM));
    expect(error).toMatchObject({ reason: "unreadable", retryAfter: undefined });
  });
});

describe("an answer that is too large ends the job", () => {
  test.each<[string, Behaviour]>([
    ["in many pieces", floods(piece("x".repeat(10_000)), EVENT_STREAM)],
    [
      "in many pieces that are larger where they are kept",
      floods(piece("\u0001".repeat(5_000)), EVENT_STREAM),
    ],
    ["in an event without an end", floods(`data: ${"x".repeat(60_000)}`, EVENT_STREAM)],
    ["in lines that never make an event", floods("data: x\n", EVENT_STREAM)],
    ["in headers", answers(200, "", { "x-large": "x".repeat(40_000) })],
  ])("%s", async (_, behaviour) => {
    const { error, key } = await failure(behaviour);
    expect(error).toMatchObject({ name: "HandlerError", reason: "too_large", retryAfter: false });
    await server.calls(key)[0]!.closed;
  });

  test("and leaves no more of it in memory than a result may have", async () => {
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    await Promise.all(
      Array.from({ length: 4 }, () => failure(floods(`data: ${"x".repeat(60_000)}`, EVENT_STREAM))),
    );
    expect(process.memoryUsage.rss() - before).toBeLessThan(300 * 1024 * 1024);
  });
});

describe("a call", () => {
  test.each([
    ["that hangs", hangs],
    ["whose answer hangs", answersInParts([piece("x")], { headers: EVENT_STREAM, ends: false })],
  ])("%s is closed when the job is cancelled", async (_, behaviour) => {
    const controller = new AbortController();
    const running = failure(behaviour, { context: { signal: controller.signal } });
    const call = await server.called(`failure ${count}`);
    controller.abort("cancelled");
    await call.closed;
    await running;
  });

  test.each([
    ["that hangs", hangs],
    [
      "whose answer drips",
      answersInParts(Array(1_000).fill(piece("x")), { headers: EVENT_STREAM, between: () => Bun.sleep(20) }),
    ],
  ])("%s ends with the limit of its agent, and is tried again", async (_, behaviour) => {
    const { error, key } = await failure(behaviour, { config: { timeoutMs: 200 } });
    expect(error).toMatchObject({ reason: "timed_out", retryAfter: undefined });
    await server.calls(key)[0]!.closed;
  });

  test("that is done lets go of its connection", async () => {
    const { key } = await failure(streams([piece("x"), ...ending()].slice(0, 1)));
    await server.calls(key)[0]!.closed;
  });

  test("that the rules of this service forbid ends the job, and nothing is sent", async () => {
    const strict = guardedFetch({ http: false, ports: [443], allow: [] });
    const { error, key } = await failure(hangs, { fetch: strict });
    expect(error).toMatchObject({ reason: "blocked", retryAfter: false });
    expect(server.calls(key)).toEqual([]);
  });
});
