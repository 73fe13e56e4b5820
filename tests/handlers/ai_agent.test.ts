import { describe, expect, test } from "bun:test";
import { aiAgent } from "../../src/handlers/ai_agent.ts";
import type { JobContext } from "../../src/handlers/define.ts";
import { registry } from "../../src/handlers/registry.ts";
import type { AiAgentConfig } from "../../src/job/agent.ts";
import type { Usage } from "../../src/job/usage.ts";
import { agentParts, aiAgentAt } from "../support/called_agents.ts";
import { contextOf } from "../support/handlers.ts";
import { chatRequest, ending, event, modelServer, piece, says, streams } from "../support/model_server.ts";

const server = await modelServer();

interface Options {
  config?: Partial<AiAgentConfig>;
  apiKey?: string | null;
  context?: Partial<JobContext>;
  usedBefore?: Usage | null;
}

/** One attempt of a job with this payload, as its text was sent. */
function attempt(
  payloadText: string,
  { config, apiKey = "sk-test", context, usedBefore = null }: Options = {},
) {
  const agent = aiAgentAt(server, config, { apiKey });
  const parts = agentParts({ findAgent: async () => agent, usedBefore: async () => usedBefore }, server);
  const definition = aiAgent(parts);
  return definition.run(JSON.parse(payloadText), contextOf({ ...context, job: { payloadText } })) as Promise<{
    text: string;
    usage: Usage;
  }>;
}

const task = (name: string) => JSON.stringify({ task: name });

describe("a model is asked", () => {
  test("by the path, the model and the options of its agent", async () => {
    const config = { instructions: "Be brief.", temperature: 0.2, maxTokens: 50 };
    await attempt(task("options"), { config });
    const [call] = server.calls("options");
    expect(call).toMatchObject({ method: "POST", path: "/v1/chat/completions" });
    expect(chatRequest(call!)).toEqual({
      model: "fake-1",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "options" },
      ],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0.2,
      max_tokens: 50,
    });
  });

  test.each([
    ["https://api.openai.com/v1", "max_completion_tokens"],
    ["https://models.example.com/api.openai.com/", "max_tokens"],
  ])("at %s for no more tokens than it may use, by the name %s", async (baseUrl, name) => {
    const asked: [url: string, body: Record<string, unknown>][] = [];
    const parts = agentParts({
      findAgent: async () => aiAgentAt(server, { baseUrl, maxTokens: 50 }),
      async fetch(url, init) {
        asked.push([String(url), JSON.parse(init!.body as string)]);
        return new Response(null, { status: 400 });
      },
    });
    await expect(aiAgent(parts).run(["x"], contextOf()) as Promise<unknown>).rejects.toMatchObject({
      reason: "status_400",
    });
    const [[url, body]] = asked as [(typeof asked)[number]];
    expect(url).toBe(`${baseUrl.replace(/\/$/, "")}/chat/completions`);
    expect(Object.entries(body).filter(([member]) => member.startsWith("max"))).toEqual([[name, 50]]);
  });

  test("with the key of its agent, and nothing that tells of this machine or its environment", async () => {
    process.env.OPENAI_ORG_ID = "org-of-the-operator";
    process.env.OPENAI_CUSTOM_HEADERS = "x-operator: secret";
    try {
      await attempt(task("headers"));
      await attempt(task("no key"), { apiKey: null });
    } finally {
      delete process.env.OPENAI_ORG_ID;
      delete process.env.OPENAI_CUSTOM_HEADERS;
    }
    const { headers } = server.calls("headers")[0]!;
    expect(Object.keys(headers).toSorted()).toEqual([
      "accept",
      "accept-encoding",
      "authorization",
      "connection",
      "content-length",
      "content-type",
      "host",
      "user-agent",
    ]);
    expect(headers).toMatchObject({ authorization: "Bearer sk-test", "user-agent": "jobsvc" });
    expect(server.calls("no key")[0]!.headers).not.toHaveProperty("authorization");
  });

  test.each([
    ["a task alone", '{"task": "just that"}', "just that"],
    ["a text", '"a bare text"', "a bare text"],
    ["the seed's payload", '{"task": "process_data", "data": "example"}', undefined],
    ["a task that is no text", '{"task": {"n": 12345678901234567890}}', undefined],
    ["a list", "[1e400,  2]", undefined],
    ["null", "null", undefined],
  ])("%s", async (_, payloadText, content = payloadText) => {
    await attempt(payloadText);
    expect(chatRequest(server.calls(content)[0]!).messages).toEqual([{ role: "user", content }]);
  });

  test("messages as they are, behind its instructions", async () => {
    const messages = [
      { role: "system", content: "You sort mail." },
      { role: "user", content: [{ type: "text", text: "What is this?" }] },
      { role: "assistant", content: "A bill.", name: "sorter" },
      { role: "user", content: "a talk" },
    ];
    await attempt(JSON.stringify({ messages }), { config: { instructions: "Be brief." } });
    const [first, ...rest] = chatRequest(server.calls("a talk")[0]!).messages;
    expect(first).toEqual({ role: "system", content: "Be brief." });
    expect(rest).toEqual(messages);
  });
});

describe("the messages of a payload are checked at the door", () => {
  const { checkPayload } = registry([aiAgent(agentParts())]);
  const pointers = (payload: unknown) => checkPayload("ai_agent", payload).map(({ pointer }) => pointer);

  test("and good ones let in", () => {
    expect(pointers({ messages: [{ role: "user", content: "x" }], more: 1 })).toEqual([]);
  });

  test.each([
    [{ messages: [] }, "/messages"],
    [{ messages: "x" }, "/messages"],
    [{ messages: [{ role: "tool", content: "x" }] }, "/messages/0/role"],
    [{ messages: [{ role: "user" }] }, "/messages/0/content"],
    [{ messages: [{ role: "user", content: 7 }] }, "/messages/0/content"],
    [{ messages: [{ role: "user", content: "x", tool_calls: [] }] }, "/messages/0/tool_calls"],
  ])("%j not", (payload, pointer) => {
    expect(pointers(payload)).toContain(pointer);
  });
});

describe("an answer", () => {
  test("is the text, why it ended, the model and the usage", async () => {
    expect<unknown>(await attempt(task("an answer"))).toEqual({
      text: "Hello world",
      finish_reason: "stop",
      model: "fake-1",
      usage: { input_tokens: 12, output_tokens: 5 },
    });
  });

  test("goes out in pieces while it comes", async () => {
    const emitted: unknown[] = [];
    const halfway = Promise.withResolvers<void>();
    server.when(
      "in pieces",
      streams([piece("one"), piece("two"), ...ending()], { between: () => halfway.promise }),
    );
    const running = attempt(task("in pieces"), {
      context: {
        emit(chunk) {
          emitted.push(chunk);
          halfway.resolve();
        },
      },
    });
    await halfway.promise;
    expect(emitted).toEqual(["one"]);
    await running;
    expect(emitted.join("")).toBe("onetwo");
  });

  test("that comes letter by letter goes out in fewer and larger pieces, and whole", async () => {
    const text = "All work and no play. 🙂 ".repeat(400);
    server.when("letters", says(...[...text]));
    const emitted: string[] = [];
    const { text: result } = await attempt(task("letters"), {
      context: { emit: (chunk) => void emitted.push(chunk as string) },
    });
    expect(result).toBe(text);
    expect(emitted.join("")).toBe(text);
    expect(emitted.length).toBeLessThan(text.length / 10);
  });

  test("may come in one piece that is larger than a line of output", async () => {
    const text = `${"🙂".repeat(40_000)}x`;
    server.when("one piece", says(text));
    const emitted: string[] = [];
    await attempt(task("one piece"), { context: { emit: (chunk) => void emitted.push(chunk as string) } });
    expect(emitted.join("")).toBe(text);
    for (const chunk of emitted) {
      expect(chunk.isWellFormed()).toBe(true);
      expect(Buffer.byteLength(JSON.stringify({ chunk }))).toBeLessThan(64 * 1024);
    }
  });

  test("that the model was not allowed to end is one all the same, and says so", async () => {
    server.when("cut", streams([piece("Half of"), ...ending(undefined, "length")]));
    expect(await attempt(task("cut"))).toMatchObject({ text: "Half of", finish_reason: "length" });
  });

  test("that asks for tools is a text like any other: nothing is done", async () => {
    const tool = { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { name: "rm" } }] } }] };
    server.when(
      "tools",
      streams([event(tool), piece("<tool>rm</tool>"), ...ending(undefined, "tool_calls")]),
    );
    expect(await attempt(task("tools"))).toMatchObject({
      text: "<tool>rm</tool>",
      finish_reason: "tool_calls",
    });
    expect(server.calls("tools")).toHaveLength(1);
  });

  test("may hold what no other text may hold", async () => {
    const text = 'NUL \u0000, quotes ", lone \ud800 and <script>';
    server.when("odd", says(text));
    expect((await attempt(task("odd"))).text).toBe(text);
  });
});

describe("usage", () => {
  const spentBy = async (name: string, options: Options = {}) => {
    const spent: Usage[] = [];
    await attempt(task(name), {
      ...options,
      context: { ...options.context, spent: (usage) => void spent.push(usage) },
    });
    return spent;
  };

  test("is told all along, at first as an estimate, and at last as the server tells it", async () => {
    server.when("meter", streams([piece("Hello"), piece(" world"), ...ending()]));
    const spent = await spentBy("meter", { config: { price: { input: 1_000_000, output: 2_000_000 } } });
    expect(spent[0]).toEqual({ input_tokens: 2, output_tokens: 0, cost: 2, estimated: true });
    expect(spent[2]).toEqual({ input_tokens: 2, output_tokens: 3, cost: 8, estimated: true });
    expect(spent.at(-1)).toEqual({ input_tokens: 12, output_tokens: 5, cost: 22 });
  });

  test("is estimated where the server tells none, and the result says so", async () => {
    server.when("silent", streams([piece("12345678"), ...ending(null)]));
    expect((await attempt(task("silent"))).usage).toEqual({
      input_tokens: 2,
      output_tokens: 2,
      estimated: true,
    });
  });

  test.each([
    [{ prompt_tokens: -1, completion_tokens: 5 }],
    [{ prompt_tokens: "12", completion_tokens: 5 }],
    [{ prompt_tokens: 1e300, completion_tokens: 5 }],
    [{ prompt_tokens: 1.5, completion_tokens: 5 }],
    [[]],
  ])("of %j is none", async (usage) => {
    const name = JSON.stringify(usage);
    server.when(name, streams([piece("12345678"), ...ending(usage)]));
    expect((await attempt(task(name))).usage.estimated).toBe(true);
  });
});

describe("the budget of a job", () => {
  const limitOf = async (name: string, options: Options) => {
    await attempt(task(name), options);
    return chatRequest(server.calls(name).at(-1)!).max_tokens;
  };

  test("lowers what the model may answer to what it leaves", async () => {
    const config = { budget: { tokens: 1_000 }, maxTokens: 500 };
    const used = (output_tokens: number) => ({ input_tokens: 100, output_tokens });
    const task = "12345678";
    expect(await limitOf(task, { config, usedBefore: null })).toBe(500);
    expect(await limitOf(task, { config, usedBefore: used(300) })).toBe(500);
    expect(await limitOf(task, { config, usedBefore: used(500) })).toBe(398);
    expect(await limitOf(task, { config: { budget: config.budget }, usedBefore: used(897) })).toBe(1);
  });

  test("in money does the same, by the price", async () => {
    const config = { budget: { cost: 0.01 }, price: { input: 1, output: 4 } };
    const usedBefore = { input_tokens: 1_000, output_tokens: 1_000, cost: 0.005 };
    // 0.01 - 0.005 - 2 tokens asked, at 4 for a million.
    expect(await limitOf("12345678", { config, usedBefore })).toBe(1_249);
    expect(await limitOf("no price", { config: { budget: { cost: 0.01 } } })).toBeUndefined();
  });

  test.each([
    ["tokens", { budget: { tokens: 1_000 } }, { input_tokens: 600, output_tokens: 400 }],
    [
      "money",
      { budget: { cost: 1 }, price: { input: 1, output: 1 } },
      { input_tokens: 1, output_tokens: 1, cost: 1 },
    ],
    [
      "both",
      { budget: { tokens: 10, cost: 1 }, price: { input: 0, output: 0 } },
      { input_tokens: 10, output_tokens: 0 },
    ],
  ])("that is used up in %s stops the job before the next call", async (name, config, usedBefore) => {
    const running = attempt(task(`spent ${name}`), { config, usedBefore });
    await expect(running).rejects.toMatchObject({ reason: "budget_exceeded", retryAfter: false });
    expect(server.calls(`spent ${name}`)).toEqual([]);
  });

  test("is not asked for where there is none", async () => {
    const parts = agentParts(
      {
        findAgent: async () => aiAgentAt(server),
        usedBefore: () => Promise.reject(new Error("asked")),
      },
      server,
    );
    await aiAgent(parts).run(["free"], contextOf());
  });
});
