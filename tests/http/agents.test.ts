import { beforeEach, describe, expect, test } from "bun:test";
import naughty from "big-list-of-naughty-strings/blns.json";
import { agentFinder } from "../../src/agents/find.ts";
import { secrets } from "../../src/agents/secrets.ts";
import { urlProblem } from "../../src/outbound/target.ts";
import { AI_AGENT_BODY, CLIENT_AGENT_BODY, signingSecret, TEST_SECRETS } from "../support/agents.ts";
import { testDatabase } from "../support/database.ts";
import { clear, everything } from "../support/facts.ts";
import { JSON_TYPE, pointersOf, problemOf, request, SOME_ID } from "./client.ts";
import { FOREIGNER, type Headers, keyedApp, newKey, OWNER } from "./keyed.ts";

const db = await testDatabase();
const PUBLIC = { http: false, ports: [443], allow: [] };
/** Every name leads to an address that everybody can reach, but for those that begin with "internal". */
const lookup = async (host: string) => (host.startsWith("internal") ? ["8.8.8.8", "10.0.0.7"] : ["8.8.8.8"]);
const { app, told } = keyedApp(db, {}, { checkUrl: (url) => urlProblem(url, PUBLIC, lookup) });

beforeEach(() => clear(db));

interface Agent {
  resource_id: string;
  has_secret: boolean;
  user_id: string | null;
  previous_secret_until?: string | null;
  [more: string]: unknown;
}

function call(method: string, path: string, body?: unknown, headers: Headers = {}, node = app) {
  const sent = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  return request(node, method, `/api/agents${path}`, { headers: { ...JSON_TYPE, ...headers }, ...sent });
}

const put = (body: unknown, id = SOME_ID, headers: Headers = {}) => call("PUT", `/${id}`, body, headers);

async function read(response: Promise<Response>, status = 200): Promise<Agent> {
  const answer = await response;
  expect(answer.status).toBe(status);
  return (await answer.json()) as Agent;
}

async function refusal(body: unknown): Promise<Record<string, string>> {
  const { errors = [] } = await problemOf(await put(body), 422);
  return Object.fromEntries(errors.map(({ pointer, detail }) => [pointer, detail]));
}

describe("the life of an agent", () => {
  test("it is registered, read, replaced and deleted", async () => {
    const body = {
      ...AI_AGENT_BODY,
      instructions: "Answer in one sentence.",
      temperature: 0.5,
      max_tokens: 500,
      budget: { tokens: 10_000, cost: 1.5 },
      price: { input: 0.25, output: 1 },
      timeout_ms: 60_000,
      user_id: OWNER,
      api_key: "sk-1",
    };
    const made = await read(put(body), 201);
    const { api_key: _, ...told } = body;
    expect(made).toEqual({
      ...told,
      resource_id: SOME_ID,
      has_secret: true,
      created_at: expect.any(String),
      updated_at: expect.any(String),
    } as Agent);
    expect(await read(call("GET", `/${SOME_ID}`))).toEqual(made);

    const replaced = await read(put(AI_AGENT_BODY));
    expect(replaced).toEqual({
      ...made,
      user_id: null,
      instructions: null,
      temperature: null,
      max_tokens: null,
      budget: null,
      price: null,
      timeout_ms: null,
      has_secret: true,
      updated_at: expect.any(String),
    } as unknown as Agent);
    expect(Date.parse(String(replaced.updated_at))).toBeGreaterThan(Date.parse(String(made.updated_at)));

    const deleted = await call("DELETE", `/${SOME_ID}`);
    expect([deleted.status, await deleted.text()]).toEqual([204, ""]);
    await problemOf(await call("GET", `/${SOME_ID}`), 404);
    await problemOf(await call("DELETE", `/${SOME_ID}`), 404);
  });

  test("a client's agent is told by when its old secret ceases to sign", async () => {
    const made = await read(put(CLIENT_AGENT_BODY), 201);
    expect(made).toEqual({
      resource_type: "client_agent",
      resource_id: SOME_ID,
      name: "the shop",
      user_id: null,
      url: CLIENT_AGENT_BODY.url,
      has_secret: true,
      previous_secret_until: null,
      created_at: expect.any(String),
      updated_at: expect.any(String),
    } as Agent);
    const rotated = await read(put({ ...CLIENT_AGENT_BODY, signing_secret: signingSecret("t") }));
    const hours = (Date.parse(rotated.previous_secret_until!) - Date.now()) / 3_600_000;
    expect(hours).toBeWithin(23.9, 24.1);
    expect(await agentFinder(db, TEST_SECRETS)(SOME_ID)).toMatchObject({
      signingSecrets: [signingSecret("t"), signingSecret("s")],
    });
  });

  test("its id is the same in capitals", async () => {
    await read(put(AI_AGENT_BODY, SOME_ID.toUpperCase()), 201);
    expect(await read(call("GET", `/${SOME_ID}`))).toMatchObject({ resource_id: SOME_ID });
    await read(put({ ...AI_AGENT_BODY, api_key: "sk-1" }, SOME_ID.toUpperCase()));
    expect(await agentFinder(db, TEST_SECRETS)(SOME_ID)).toMatchObject({ apiKey: "sk-1" });
  });

  test("what is no id is nowhere", async () => {
    for (const method of ["GET", "DELETE", "PUT"])
      await problemOf(await call(method, "/x", method === "PUT" ? AI_AGENT_BODY : undefined), 404);
  });
});

describe("a secret never comes back,", () => {
  const CANARIES = ["sk-canary-1", "sk-canary-2", signingSecret("x"), signingSecret("y")];

  test("in no answer, no refusal, no log line and no audit", async () => {
    const heard: string[] = [];
    const say = async (response: Promise<Response>) => void heard.push(await (await response).text());
    await say(put({ ...AI_AGENT_BODY, api_key: CANARIES[0] }));
    await say(put({ ...AI_AGENT_BODY, api_key: CANARIES[1] }));
    await say(put({ ...AI_AGENT_BODY, base_url: "https://other.example.com" }));
    await say(put({ ...AI_AGENT_BODY, model: "", api_key: CANARIES[1] }));
    await say(put({ ...AI_AGENT_BODY, api_key: `${CANARIES[1]}\n` }));
    await say(put({ ...AI_AGENT_BODY, [CANARIES[1]!]: CANARIES[1] }).then(async () => new Response("")));
    await say(put({ ...CLIENT_AGENT_BODY, signing_secret: CANARIES[2] }));
    await say(put({ ...CLIENT_AGENT_BODY, signing_secret: CANARIES[3] }));
    await say(put({ ...CLIENT_AGENT_BODY, signing_secret: `${CANARIES[3]}!` }));
    await say(put({ ...CLIENT_AGENT_BODY, url: "file:///x", signing_secret: CANARIES[3] }));
    await say(call("GET", `/${SOME_ID}`));
    await say(call("GET", ""));
    await say(call("DELETE", `/${SOME_ID}`));
    await say(request(app, "GET", "/api/audit"));
    const all = heard.join("\n") + JSON.stringify(told);
    for (const canary of CANARIES) expect(all).not.toContain(canary);
    expect(all).not.toMatch(/v1\.[0-9a-f]{8}\./);
  });

  test("and is kept from the database in the clear", async () => {
    await put({ ...CLIENT_AGENT_BODY, signing_secret: CANARIES[2] });
    await put({ ...CLIENT_AGENT_BODY, signing_secret: CANARIES[3] });
    const dump = JSON.stringify(await everything(db));
    for (const canary of CANARIES) expect(dump).not.toContain(canary.replace("whsec_", ""));
  });
});

describe("a body that is not right:", () => {
  const AI = AI_AGENT_BODY;
  const CLIENT = CLIENT_AGENT_BODY;
  const secretForm = "must be whsec_ and 24 to 64 bytes in base64";
  const unreachable = "must not lead to a private, local or reserved address";
  const text = (length: number) => "x".repeat(length);

  const BODIES: [why: string, body: unknown, errors: Record<string, string>][] = [
    ["nothing", {}, { "/resource_type": "is required" }],
    ["no object", [], { "": "must be an object" }],
    [
      "another kind",
      { ...AI, resource_type: "letter" },
      { "/resource_type": "must be one of ai_agent, client_agent" },
    ],
    ["only its kind", { resource_type: "client_agent" }, { "/name": "is required", "/url": "is required" }],
    [
      "a field of the other kind",
      { ...AI, url: "https://a.example.com" },
      { "/url": "is not a field of this request" },
    ],
    [
      "a secret of the other kind",
      { ...CLIENT, api_key: "x" },
      { "/api_key": "is not a field of this request" },
    ],
    [
      "a field that is answered",
      { ...AI, has_secret: true },
      { "/has_secret": "is not a field of this request" },
    ],
    ["an empty name", { ...AI, name: "" }, { "/name": "must be a text of 1 to 100 characters" }],
    [
      "a name that cannot be kept",
      { ...AI, name: "a\0" },
      { "/name": "must not contain NUL or a lone surrogate" },
    ],
    ["a user that is none", { ...AI, user_id: "ada" }, { "/user_id": "must be a UUID, or null" }],
    ["a long model", { ...AI, model: text(201) }, { "/model": "must be a text of 1 to 200 characters" }],
    [
      "half a surrogate",
      { ...AI, model: "\ud800" },
      { "/model": "must not contain NUL or a lone surrogate" },
    ],
    [
      "long instructions",
      { ...AI, instructions: text(32_769) },
      { "/instructions": "must be a text of 1 to 32768 characters" },
    ],
    ["a hot temperature", { ...AI, temperature: 2.1 }, { "/temperature": "must be a number from 0 to 2" }],
    [
      "a temperature in words",
      { ...AI, temperature: "hot" },
      { "/temperature": "must be a number from 0 to 2" },
    ],
    [
      "half a token",
      { ...AI, max_tokens: 0.5 },
      { "/max_tokens": "must be an integer from 1 to 1000000000000" },
    ],
    [
      "a budget of nothing",
      { ...AI, budget: { tokens: 0 } },
      { "/budget/tokens": "must be an integer from 1 to 1000000000000" },
    ],
    [
      "a cost without a price",
      { ...AI, budget: { cost: 1 } },
      { "/budget/cost": "can only be counted with a price" },
    ],
    ["half a price", { ...AI, price: { input: 1 } }, { "/price/output": "is required" }],
    [
      "a price below nothing",
      { ...AI, price: { input: -1, output: 1 } },
      { "/price/input": "must be a number from 0 to 1000000000" },
    ],
    [
      "a short time",
      { ...AI, timeout_ms: 999 },
      { "/timeout_ms": "must be an integer from 1000 to 86400000" },
    ],
    [
      "an empty key",
      { ...AI, api_key: "" },
      { "/api_key": "must be 1 to 4096 visible ASCII characters, or null" },
    ],
    [
      "a key that would be another header",
      { ...AI, api_key: "sk\r\nx: y" },
      { "/api_key": "must be 1 to 4096 visible ASCII characters, or null" },
    ],
    [
      "a base URL with a query",
      { ...AI, base_url: `${AI.base_url}?x=1` },
      { "/base_url": "must end before a ? or #" },
    ],
    ["a base URL that is none", { ...AI, base_url: "models" }, { "/base_url": "must be an https URL" }],
    ["plain http", { ...CLIENT, url: "http://shop.example.com" }, { "/url": "must be an https URL" }],
    ["a file", { ...CLIENT, url: "file:///etc/passwd" }, { "/url": "must be an https URL" }],
    [
      "a password",
      { ...CLIENT, url: "https://a:b@shop.example.com" },
      { "/url": "must not hold a user name or a password" },
    ],
    ["a port", { ...CLIENT, url: "https://shop.example.com:8443" }, { "/url": "must use the port 443" }],
    ["a private address", { ...CLIENT, url: "https://10.0.0.7" }, { "/url": unreachable }],
    ["this machine", { ...CLIENT, url: "https://2130706433" }, { "/url": unreachable }],
    [
      "a name that leads inside",
      { ...AI, base_url: "https://internal.example.com" },
      { "/base_url": unreachable },
    ],
    ["a fragment", { ...CLIENT, url: "https://shop.example.com/#x" }, { "/url": "must end before a #" }],
    [
      "no signing secret",
      { ...CLIENT, signing_secret: undefined },
      { "/signing_secret": "is required: none is kept for this agent" },
    ],
    ["a signing secret of null", { ...CLIENT, signing_secret: null }, { "/signing_secret": secretForm }],
    [
      "one without its prefix",
      { ...CLIENT, signing_secret: signingSecret("a").slice(6) },
      { "/signing_secret": secretForm },
    ],
    [
      "one of 23 bytes",
      { ...CLIENT, signing_secret: signingSecret("a", 23) },
      { "/signing_secret": secretForm },
    ],
    [
      "one of 65 bytes",
      { ...CLIENT, signing_secret: signingSecret("a", 65) },
      { "/signing_secret": secretForm },
    ],
    [
      "one that decodes to other bytes elsewhere",
      { ...CLIENT, signing_secret: signingSecret("a").replace(/.=$/, "F=") },
      { "/signing_secret": secretForm },
    ],
    [
      "all that can be seen at once",
      { ...AI, name: "\0", base_url: "ftp://x?", budget: { cost: 1 } },
      {
        "/name": "must not contain NUL or a lone surrogate",
        "/base_url": "must be an https URL",
        "/budget/cost": "can only be counted with a price",
      },
    ],
  ];

  test.each(BODIES)("%s", async (_, body, errors) => {
    expect(await refusal(body)).toEqual(errors);
    expect(await db.sql`select from jobsvc.agents`).toHaveLength(0);
  });

  test.each([24, 32, 33, 34, 64])("a signing secret of %d bytes is right", async (bytes) => {
    await read(put({ ...CLIENT, signing_secret: signingSecret("a", bytes) }), 201);
  });

  test("what is no JSON, has another type or is too large", async () => {
    await problemOf(await put("{"), 400);
    await problemOf(await put(AI, SOME_ID, { "content-type": "text/plain" }), 415);
    await problemOf(await put({ ...AI, instructions: text(300_000) }), 413);
  });

  test.each(["resource_type", "name", "user_id", "base_url", "model", "instructions", "api_key"])(
    "naughty strings in %s: kept as they are, or refused with their place",
    async (field) => {
      for (const string of naughty as string[]) {
        const answer = await put({ ...AI, [field]: string });
        if (answer.status === 422) expect(pointersOf(await problemOf(answer, 422))).toEqual([`/${field}`]);
        else if (field === "api_key") expect(answer.ok).toBe(true);
        else expect(((await answer.json()) as Agent)[field]).toBe(string);
      }
      expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
    },
  );
});

describe("without a key for secrets", () => {
  const { app: node } = keyedApp(db, {}, { secrets: secrets([]) });
  const detail =
    "cannot be kept: this service has no key to encrypt it with (setting secrets-keys, JOBSVC_SECRETS_KEYS)";

  test("a secret is refused, and the setting is named", async () => {
    for (const [body, pointer] of [
      [{ ...AI_AGENT_BODY, api_key: "sk-1" }, "/api_key"],
      [CLIENT_AGENT_BODY, "/signing_secret"],
    ] as const) {
      const { errors } = await problemOf(await call("PUT", `/${SOME_ID}`, body, {}, node), 422);
      expect(errors).toEqual([{ pointer, detail }]);
    }
  });

  test("an agent without one is registered, and one that has one is read and renamed", async () => {
    await read(call("PUT", `/${SOME_ID}`, AI_AGENT_BODY, {}, node), 201);
    await put({ ...AI_AGENT_BODY, api_key: "sk-1" });
    const renamed = await read(call("PUT", `/${SOME_ID}`, { ...AI_AGENT_BODY, name: "renamed" }, {}, node));
    expect(renamed).toMatchObject({ name: "renamed", has_secret: true });
    expect(await agentFinder(db, TEST_SECRETS)(SOME_ID)).toMatchObject({ apiKey: "sk-1" });
  });
});

test("the key of an endpoint goes to no other place without having been sent again", async () => {
  await put({ ...AI_AGENT_BODY, api_key: "sk-1" });
  const moved = { ...AI_AGENT_BODY, base_url: "https://evil.example.com/v1" };
  expect(await refusal(moved)).toEqual({
    "/api_key": "must be sent again, or be null, when scheme, host or port of base_url change",
  });
  expect(await read(put({ ...moved, api_key: null }))).toMatchObject({ has_secret: false });
});

describe("a key that is bound to a user", () => {
  const bound = async (userId: string) => (await newKey(db, { scopes: ["agents:manage"], userId })).headers;

  test("registers that user's agents, said or not, and those of nobody else", async () => {
    const owner = await bound(OWNER);
    for (const said of [{}, { user_id: OWNER }, { user_id: OWNER.toUpperCase() }]) {
      const id = crypto.randomUUID();
      expect(await read(put({ ...AI_AGENT_BODY, ...said }, id, owner), 201)).toMatchObject({
        user_id: OWNER,
      });
      expect(await read(put({ ...AI_AGENT_BODY, ...said }, id, owner))).toMatchObject({ user_id: OWNER });
    }
    for (const user_id of [FOREIGNER, null]) {
      const { errors } = await problemOf(await put({ ...AI_AGENT_BODY, user_id }, SOME_ID, owner), 422);
      expect(errors).toEqual([{ pointer: "/user_id", detail: "must be the user that this key is bound to" }]);
    }
  });

  test("sees nothing of the agents of others, and of everybody's", async () => {
    const [owner, admin] = [await bound(OWNER), (await newKey(db)).headers];
    const ids: Record<string, string> = {};
    for (const user of [OWNER, FOREIGNER, null]) {
      const id = crypto.randomUUID();
      ids[String(user)] = id;
      await read(put({ ...AI_AGENT_BODY, user_id: user, api_key: "sk-1" }, id, admin), 201);
    }
    const { agents } = (await (await call("GET", "", undefined, owner)).json()) as { agents: Agent[] };
    expect(agents.map(({ resource_id }) => resource_id)).toEqual([ids[OWNER]!]);
    const before = await everything(db);
    for (const id of [ids[FOREIGNER], ids.null]) {
      const { instance: _, ...absent } = await problemOf(
        await call("GET", `/${SOME_ID}`, undefined, owner),
        404,
      );
      for (const [method, body] of [["GET"], ["DELETE"], ["PUT", AI_AGENT_BODY]] as const) {
        const { instance: __, ...hidden } = await problemOf(await call(method, `/${id}`, body, owner), 404);
        expect(hidden).toEqual(absent);
      }
    }
    expect(await everything(db)).toEqual(before);
    expect((await call("DELETE", `/${ids[OWNER]}`, undefined, owner)).status).toBe(204);
  });
});

describe("the list", () => {
  const page = async (query: string) => {
    const answer = await call("GET", query);
    expect(answer.status).toBe(200);
    return (await answer.json()) as { agents: Agent[]; next_cursor: string | null };
  };
  const idsOf = ({ agents }: { agents: Agent[] }) => agents.map(({ resource_id }) => resource_id);

  test("goes page by page, in the order of ids, and by kind", async () => {
    const ids = Array.from({ length: 5 }, () => crypto.randomUUID()).sort();
    for (const [at, id] of ids.entries()) await put(at === 1 ? CLIENT_AGENT_BODY : AI_AGENT_BODY, id);
    const first = await page("?limit=3");
    expect(idsOf(first)).toEqual(ids.slice(0, 3));
    const second = await page(`?limit=3&cursor=${first.next_cursor}`);
    expect([idsOf(second), second.next_cursor]).toEqual([ids.slice(3), null]);
    expect((await page("?limit=5")).next_cursor).toBeNull();
    expect(idsOf(await page("?resource_type=client_agent"))).toEqual([ids[1]!]);
    expect(idsOf(await page("?resource_type=ai_agent&limit=200"))).toHaveLength(4);
  });

  test.each([
    ["resource_type=letter", "/resource_type"],
    ["kind=ai_agent", "/kind"],
    ["limit=0", "/limit"],
    ["cursor=x", "/cursor"],
    ["user_id=1", "/user_id"],
  ])("refuses ?%s", async (query, pointer) => {
    expect(pointersOf(await problemOf(await call("GET", `?${query}`), 422))).toEqual([pointer]);
  });
});
