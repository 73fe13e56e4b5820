import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { secretsKey } from "./agents.ts";
import { api, type Job, jobBody } from "./api.ts";
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
} from "./behaviours.ts";
import type { Behaviour, Call, FakeServer } from "./fake_server.ts";
import { chatRequest, EVENT_STREAM, ending, modelServer, piece, says, streams } from "./model_server.ts";
import { newSecret, receiver, verified } from "./receiver.ts";
import type { Service } from "./service.ts";
import { allEvents, brief } from "./sse.ts";
import { until } from "./until.ts";

const MODEL = "456e7890-e89b-12d3-a456-426614174001";
const BUDGETED = "456e7890-e89b-12d3-a456-426614174002";
const CLIENT = "456e7890-e89b-12d3-a456-426614174003";
const API_KEY = "sk-of-the-journey";
const SECRET = newSecret();
const KEYS = { JOBSVC_SECRETS_KEYS: secretsKey("j") };

/** What agents do and suffer, from outside: registered over HTTP, called over sockets. */
export interface AgentsJourney {
  start(args: string[], env?: Record<string, string>): Promise<Service>;
}

export async function agentsJourney({ start }: AgentsJourney): Promise<void> {
  setDefaultTimeout(60_000);
  const model = await modelServer();
  const client = await receiver();
  const service = await start(
    [
      "--port=0",
      "--outbound-http",
      `--outbound-ports=${model.port},${client.port}`,
      "--outbound-allow=127.0.0.0/8",
      "--public-url=https://jobs.example.com/base/",
      "--poll-interval-ms=50",
      "--ai-agent-simulation-ms=1",
      "--client-agent-simulation-ms=1",
    ],
    KEYS,
  );
  const jobs = api(service.url);
  await register(MODEL, {
    resource_type: "ai_agent",
    base_url: `${model.url}/v1`,
    price: { input: 2, output: 8 },
  });
  await register(BUDGETED, {
    resource_type: "ai_agent",
    base_url: `${model.url}/v1`,
    budget: { tokens: 100 },
  });
  await register(CLIENT, {
    resource_type: "client_agent",
    url: `${client.url}/jobs`,
    signing_secret: SECRET,
  });

  async function register(resourceId: string, agent: Record<string, unknown>) {
    const answer = await fetch(`${service.url}/api/agents/${resourceId}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        name: "an agent",
        ...(agent.resource_type === "ai_agent" && { model: "fake-1", api_key: API_KEY }),
        ...agent,
      }),
    });
    expect({ status: answer.status, body: await answer.text() }).toMatchObject({ status: 201 });
  }

  /** A job for the model, which does this with each call. */
  async function ask(task: string, behaviours: Behaviour[], changes: Record<string, unknown> = {}) {
    model.when(task, ...behaviours);
    return await jobs.create(jobBody({ resource_id: MODEL, payload: { task }, ...changes }));
  }

  /** A job for the client, likewise. */
  async function hand(name: string, behaviours: Behaviour[], changes: Record<string, unknown> = {}) {
    if (behaviours.length > 0) client.when(name, ...behaviours);
    const body = { resource_type: "client_agent", resource_id: CLIENT, payload: { case: name }, ...changes };
    return await jobs.create(jobBody(body));
  }

  describe("a job for a model", () => {
    test("brings its answer, told in pieces while it came, and what that cost", async () => {
      const id = await ask("tell a story", [says("Once ", "upon ", "a time.")]);
      const job = await jobs.reached(id, "completed");
      const usage = { input_tokens: 12, output_tokens: 5, cost: 0.000064 };
      expect(job.result).toEqual({
        text: "Once upon a time.",
        finish_reason: "stop",
        model: "fake-1",
        usage,
      });
      expect(job).toMatchObject({ usage, attempts: [{ usage }] });
      const events = await allEvents(await jobs.get(`/api/jobs/${id}/events`));
      const chunks = events.filter(({ event }) => event === "output").map(({ data }) => data.chunk);
      expect(chunks.join("")).toBe("Once upon a time.");
    });

    test("tells the model the whole payload where it is more than a task", async () => {
      const payload = '{"task": "process_data", "data": "example"}';
      await jobs.reached(await jobs.create(jobBody({ resource_id: MODEL, payload })), "completed");
      const call = await model.called(payload);
      expect(chatRequest(call).messages).toEqual([{ role: "user", content: payload }]);
      expect(call.headers.authorization).toBe(`Bearer ${API_KEY}`);
    });

    test("that is turned away comes back when it was told to, in seconds or at a date", async () => {
      const inTwoSeconds = () => ({ "retry-after": new Date(Date.now() + 2_500).toUTCString() });
      const turnsAway: Behaviour = (socket, call) => answers(429, "{}", inTwoSeconds())(socket, call);
      const id = await ask("be patient", [
        answers(429, "{}", { "retry-after": "2" }),
        turnsAway,
        says("Thanks."),
      ]);
      const { attempts, result } = await jobs.reached(id, "completed");
      expect(result).toMatchObject({ text: "Thanks." });
      const waits = attempts.slice(0, 2).map(waitOf);
      expect(waits[0]).toBeWithin(1_990, 4_000);
      expect(waits[1]).toBeWithin(1_000, 4_000);
      expect(attempts.map(({ error }) => error?.reason)).toEqual(["status_429", "status_429", undefined]);
      expect(model.calls("be patient")).toHaveLength(3);
    });

    test("counts what a broken answer has used up, and sums it", async () => {
      const id = await ask("12345678", [
        breaksOff(200, piece("Half of the"), EVENT_STREAM),
        says("All of it."),
      ]);
      const { attempts, usage, result } = await jobs.reached(id, "completed");
      expect(attempts).toMatchObject([
        {
          outcome: "failed",
          error: { reason: "unreachable" },
          usage: { input_tokens: 2, output_tokens: 3, estimated: true },
        },
        { outcome: "completed", usage: { input_tokens: 12, output_tokens: 5 } },
      ]);
      expect(usage).toEqual({ input_tokens: 14, output_tokens: 8, cost: 0.000092, estimated: true });
      expect(result).toMatchObject({ text: "All of it.", usage: { input_tokens: 12 } });
    });

    const breaksOffAfter = (completion_tokens: number) => {
      const events = [piece("x"), ...ending({ prompt_tokens: 10, completion_tokens })].slice(0, 3);
      return breaksOff(200, events.join(""), EVENT_STREAM);
    };

    test("may answer with what its budget leaves", async () => {
      const changes = { resource_id: BUDGETED };
      const id = await ask("spend a half", [breaksOffAfter(40), says("Done.")], changes);
      await jobs.reached(id, "completed");
      // A hundred, less what was used up, less what is asked.
      const limits = model.calls("spend a half").map((call) => chatRequest(call).max_tokens);
      expect(limits).toEqual([97, 47]);
    });

    test("stops when its budget is used up, before another call", async () => {
      const changes = { resource_id: BUDGETED, max_retries: 5 };
      const id = await ask("spend it all", [breaksOffAfter(90)], changes);
      const { attempts, usage } = await jobs.reached(id, "failed");
      expect(attempts.map(({ error }) => error?.reason)).toEqual(["unreachable", "budget_exceeded"]);
      expect(usage).toEqual({ input_tokens: 10, output_tokens: 90 });
      expect(model.calls("spend it all")).toHaveLength(1);
    });

    test.each([400, 401, 403, 404, 422])("that is refused with %d is not tried again", async (status) => {
      const refuses = answersJson(status, { error: { message: `no, ${API_KEY}` } });
      const job = await jobs.reached(await ask(`refuse ${status}`, [refuses]), "failed");
      expect(job.attempts).toMatchObject([{ error: { reason: `status_${status}` } }]);
      expect(JSON.stringify(job)).not.toContain(API_KEY);
    });

    test("that is cancelled closes its connection", async () => {
      const id = await ask("think for ever", [streams([piece("Hm.")], { ends: false })]);
      const call = await model.called("think for ever");
      await jobs.reached(id, "running");
      expect((await jobs.cancel(id)).status).toBe(200);
      await call.closed;
      await until("what it had used up", async () => (await jobs.job(id)).usage?.estimated);
    });

    ends(model, ask, [
      ["hangs", hangs, "timed_out"],
      ["streams slowly", slowly(piece("x"), EVENT_STREAM), "timed_out"],
      ["resets", resets, "unreachable"],
      ["breaks off", breaksOff(200, piece("x"), EVENT_STREAM), "unreachable"],
      ["babbles", babbles, "unreadable"],
      ["answers garbage", answers(200, "<html>hello</html>"), "invalid_answer"],
      ["bombs", bombs(64 * 1024 * 1024, EVENT_STREAM), "unreadable"],
      ["floods", floods(piece("x".repeat(50_000)), EVENT_STREAM), "too_large"],
      ["is down", answers(503), "status_503"],
    ]);
  });

  describe("a job for a client", () => {
    test("arrives signed, with the payload as it was sent and the trace, and brings the answer as it was sent", async () => {
      const payload = '{"case": "exact", "n": 12345678901234567890, "e": 1e400}';
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
      const result = '{"sum": 98765432109876543210}';
      client.when("exact", answers(200, result));
      const created = await fetch(`${service.url}/api/jobs`, {
        method: "POST",
        headers: { "content-type": "application/json", traceparent },
        body: JSON.stringify(jobBody({ resource_type: "client_agent", resource_id: CLIENT, payload })),
      });
      const { job_id: id } = (await created.json()) as Job;
      await jobs.reached(id, "completed");
      const call = await client.called("exact");
      expect(verified(call, SECRET)).toMatchObject({ type: "job.run", data: { job_id: id, attempt: 1 } });
      expect(call.headers).toMatchObject({ "webhook-id": id, traceparent });
      expect(call.body).toEndWith(`"payload":${payload}}}`);
      expect(await (await jobs.get(`/api/jobs/${id}`)).text()).toEndWith(`"result":${result}}`);
    });

    test("that is turned away is called again under the same id, when it was told to", async () => {
      const inTwoSeconds = () => ({ "retry-after": new Date(Date.now() + 2_500).toUTCString() });
      const turnsAway: Behaviour = (socket, call) => answers(503, "", inTwoSeconds())(socket, call);
      const id = await hand("busy", [
        answers(429, "", { "retry-after": "2" }),
        turnsAway,
        answersJson(200, 1),
      ]);
      const { attempts } = await jobs.reached(id, "completed");
      expect(waitOf(attempts[0]!)).toBeWithin(1_990, 4_000);
      expect(waitOf(attempts[1]!)).toBeWithin(1_000, 4_000);
      const calls = client.calls("busy").map((call) => verified(call, SECRET).data);
      expect(calls.map(({ job_id, attempt }) => ({ job_id, attempt }))).toEqual(
        [1, 2, 3].map((attempt) => ({ job_id: id, attempt })),
      );
    });

    test("that is gone is not called again", async () => {
      const job = await jobs.reached(await hand("gone", [answers(410)]), "failed");
      expect(job.attempts).toMatchObject([{ error: { reason: "status_410" } }]);
    });

    test("that sends elsewhere is not followed", async () => {
      const id = await hand("elsewhere", [answers(307, "", { location: `${client.url}/other` })], {
        max_retries: 0,
      });
      const job = await jobs.reached(id, "failed");
      expect(job.attempts).toMatchObject([{ error: { reason: "status_307" } }]);
      expect(client.calls("elsewhere").map(({ path }) => path)).toEqual(["/jobs"]);
    });

    test("is signed with the old secret, too, while it is being replaced", async () => {
      const young = newSecret();
      await fetch(`${service.url}/api/agents/${CLIENT}`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          resource_type: "client_agent",
          name: "an agent",
          url: `${client.url}/jobs`,
          signing_secret: young,
        }),
      });
      await jobs.reached(await hand("rotated", []), "completed");
      const call = await client.called("rotated");
      for (const secret of [young, SECRET]) expect(verified(call, secret).type).toBe("job.run");
    });

    ends(client, hand, [
      ["hangs", hangs, "timed_out"],
      ["drips", slowly(" "), "timed_out"],
      ["resets", resets, "unreachable"],
      ["breaks off", breaksOff(200, '{"half":'), "unreachable"],
      ["babbles", babbles, "unreadable"],
      ["answers garbage", answers(200, "<html>hello</html>"), "invalid_answer"],
      ["bombs", bombs(64 * 1024 * 1024), "unreadable"],
      ["floods", floods("x".repeat(60_000)), "too_large"],
      ["is down", answers(500), "status_500"],
    ]);
  });

  describe("a job whose client will call back", () => {
    const WILL_CALL_BACK = answers(202, "", { location: "https://client.example.com/work/7" });

    /** Another process, which knows of the job by the database alone. */
    const another = start(["--role=api", "--port=0"], KEYS);

    function callBack(url: string, { headers }: Call, action: string, body: unknown) {
      return fetch(`${url}/api/callbacks/${action}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${headers["jobsvc-callback-token"]}`,
        },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
    }

    async function staleReason(response: Response) {
      expect(response.status).toBe(409);
      return ((await response.json()) as { reason: string }).reason;
    }

    test("is told of and ended through any process, and the one that waits says the truth", async () => {
      const id = await hand("later", [WILL_CALL_BACK]);
      const call = await client.called("later");
      expect(call.headers["jobsvc-callback-url"]).toBe("https://jobs.example.com/base/api/callbacks");
      const { url: other } = await another;
      await call.closed;
      for (const [url, action, body] of [
        [other, "progress", { percent: 50, message: "half of it" }],
        [service.url, "log", { message: "slow today" }],
        [other, "output", { chunk: "a piece" }],
      ] as const)
        expect((await callBack(url, call, action, body)).status).toBe(204);
      expect(await jobs.job(id)).toMatchObject({ state: "running" });
      const result = '{"sum": 98765432109876543210}';
      const ended = await callBack(other, call, "end", `{"outcome": "completed", "result": ${result}}`);
      expect(await ended.json()).toMatchObject({ job_id: id, attempt: 1, outcome: "completed" });
      expect(await (await jobs.get(`/api/jobs/${id}`)).text()).toEndWith(`"result":${result}}`);
      const line = await service.logged("job.broken_off", ({ job_id }) => job_id === id);
      expect(line).toMatchObject({ outcome: "completed", kind: "client_agent", attempt: 1 });
      const events = await allEvents(await jobs.get(`/api/jobs/${id}/events`));
      expect(events.map(brief).slice(1)).toEqual([
        "1 progress 50 half of it",
        "1 log slow today",
        "1 output a piece",
        "1 state completed completed",
      ]);
      expect(await staleReason(await callBack(service.url, call, "end", { outcome: "completed" }))).toBe(
        "finished",
      );
      expect(client.calls("later")).toHaveLength(1);
    });

    test("is called again when it says that it failed, and the old token tells nothing any more", async () => {
      const id = await hand("fails", [WILL_CALL_BACK]);
      const first = await client.called("fails");
      const failed = { outcome: "failed", error: { message: "out of stock" }, retry_after_ms: 100 };
      expect((await callBack(service.url, first, "end", failed)).status).toBe(200);
      const second = await client.called("fails", 2);
      expect(verified(second, SECRET).data).toMatchObject({ job_id: id, attempt: 2 });
      expect(await staleReason(await callBack(service.url, first, "log", { message: "x" }))).toBe("finished");
      await callBack(service.url, second, "end", { outcome: "completed" });
      const { attempts, result } = await jobs.reached(id, "completed");
      expect(result).toBeNull();
      expect(attempts).toMatchObject([{ error: { message: "out of stock" } }, { error: null }]);
    });

    test("is waited for no longer than its time", async () => {
      const id = await hand("forgets", [WILL_CALL_BACK], { timeout_ms: 1_000, max_retries: 0 });
      const job = await jobs.reached(id, "failed");
      expect(job.attempts).toMatchObject([{ error: { reason: "timed_out" } }]);
      const late = await callBack(service.url, await client.called("forgets"), "end", {
        outcome: "completed",
      });
      expect(await staleReason(late)).toBe("timed_out");
    });

    test("that is cancelled meanwhile, tells the client so", async () => {
      const id = await hand("changes", [WILL_CALL_BACK]);
      const call = await client.called("changes");
      await jobs.cancel(id);
      expect(await staleReason(await callBack(service.url, call, "progress", { percent: 1 }))).toBe(
        "cancelled",
      );
      await service.logged(
        "job.broken_off",
        ({ job_id, outcome }) => job_id === id && outcome === "cancelled",
      );
    });

    test("may call back before it has answered", async () => {
      client.when("hasty", async (socket, call) => {
        await callBack(service.url, call, "end", { outcome: "completed", result: "done" });
        return WILL_CALL_BACK(socket, call);
      });
      const job = await jobs.reached(await hand("hasty", []), "completed");
      expect(job.result).toBe("done");
      expect(job.attempts).toHaveLength(1);
    });
  });

  test("nobody is told a secret, and the service is as well as before", async () => {
    const id = await jobs.create(jobBody({ resource_id: crypto.randomUUID() }));
    expect(await jobs.reached(id, "completed")).toMatchObject({ result: { simulated: true } });
    const said = service.stdout() + service.stderr();
    const tokens = client.calls().map(({ headers }) => headers["jobsvc-callback-token"]!);
    for (const secret of [API_KEY, SECRET, ...tokens]) expect(said).not.toContain(secret);
    expect(service.log().filter(({ event }) => /failed$/.test(event))).toEqual([]);
  });

  /** What becomes of a job without retries, and of its connection, when the other side misbehaves. */
  function ends(
    server: FakeServer,
    create: (name: string, behaviours: Behaviour[], changes: Record<string, unknown>) => Promise<string>,
    cases: [name: string, behaviour: Behaviour, reason: string][],
  ) {
    test.each(cases)("whose other side %s ends as failed", async (name, behaviour, reason) => {
      const id = await create(name, [behaviour], { max_retries: 0, timeout_ms: 1_000 });
      const job = await jobs.reached(id, "failed");
      expect(job.attempts).toMatchObject([{ outcome: "failed", error: { reason } }]);
      await (await server.called(name)).closed;
    });
  }
}

function slowly(part: string, headers: Record<string, string> = {}): Behaviour {
  return answersInParts(Array(10_000).fill(part), { headers, between: () => Bun.sleep(20) });
}

function waitOf({ finished_at, retry_at }: Job["attempts"][number]): number {
  return Date.parse(retry_at!) - Date.parse(finished_at!);
}
