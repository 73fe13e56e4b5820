import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import naughty from "big-list-of-naughty-strings/blns.json";
import { inserter } from "../../src/queue/inserter.ts";
import { testDatabase } from "../support/database.ts";
import { JSON_TYPE, request, SEED_REQUEST, testApp } from "./client.ts";
import { AUTHORIZATION, served } from "./wire.ts";

const STRINGS: readonly string[] = naughty;

const db = await testDatabase();
const { app, told } = testApp({ db, inserter: inserter({ db, onWaiting() {} }) });

interface Kept {
  payload: unknown;
  tags: string[];
  metadata: Record<string, string>;
}

async function expectNoServerError(method: string, path: string, init: RequestInit = {}) {
  const response = await request(app, method, path, init);
  await response.bytes();
  expect({ path, isFine: response.status < 500 }).toEqual({ path, isFine: true });
}

function expectNoFailure() {
  expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
}

const isTag = (text: string) => text.length >= 1 && text.length <= 64;
const send = (body: unknown) => ({ body: JSON.stringify(body), headers: JSON_TYPE });

describe("461 naughty strings", () => {
  test("are that many", () => expect(STRINGS).toHaveLength(461));

  test("come back as they were, wherever anything may stand", async () => {
    const jobs = STRINGS.map((text) => ({
      ...SEED_REQUEST,
      payload: { [text]: text },
      tags: isTag(text) ? [text] : [],
      metadata: { [text]: text },
    }));
    const created = await request(app, "POST", "/api/jobs/batch", send(jobs));
    expect(created.status).toBe(201);
    const { job_ids } = (await created.json()) as { job_ids: string[] };
    for (const [place, text] of STRINGS.entries()) {
      const job = (await (await request(app, "GET", `/api/jobs/${job_ids[place]}`)).json()) as Kept;
      expect(job.payload).toEqual({ [text]: text });
      expect(job.metadata).toEqual({ [text]: text });
      expect(job.tags).toEqual(isTag(text) ? [text] : []);
      if (!isTag(text)) continue;
      const listed = await request(app, "GET", `/api/jobs?tag=${encodeURIComponent(text)}&limit=200`);
      const page = (await listed.json()) as { jobs: { job_id: string }[] };
      expect(page.jobs.map(({ job_id }) => job_id)).toContain(job_ids[place]!);
    }
    expectNoFailure();
  });

  test.each(Object.keys(SEED_REQUEST))("in the field %s: kept, or refused with its place", async (field) => {
    for (const text of STRINGS) {
      const response = await request(
        app,
        "POST",
        "/api/jobs/create",
        send({ ...SEED_REQUEST, [field]: text }),
      );
      const answer = (await response.json()) as { errors?: { pointer: string }[] };
      if (response.status !== 201) expect(response.status).toBe(422);
      if (response.status === 422)
        expect(answer.errors?.map(({ pointer }) => pointer)).toEqual([`/${field}`]);
    }
    expectNoFailure();
  });

  test("in every path segment and every parameter: no server error", async () => {
    for (const text of STRINGS) {
      const segment = encodeURIComponent(text);
      await expectNoServerError("GET", `/${segment}`);
      await expectNoServerError("GET", `/api/jobs/${segment}`);
      await expectNoServerError("POST", `/api/jobs/${segment}/cancel`);
      await expectNoServerError("GET", `/api/jobs/${segment}/why`);
      await expectNoServerError("POST", `/api/queues/${segment}/resume`);
      await expectNoServerError("DELETE", `/api/keys/${segment}`);
      for (const name of ["state", "resource_type", "queue", "user_id", "created_after", "limit", "cursor"])
        await expectNoServerError("GET", `/api/jobs?${name}=${segment}`);
      await expectNoServerError("GET", `/api/jobs?${segment}=1`);
      await expectNoServerError("GET", `/api/audit?action=${segment}&cursor=${segment}`);
      await expectNoServerError("GET", `/api/keys?cursor=${segment}`);
    }
    expectNoFailure();
  });

  test("in all that a worker says: no server error, and what it tells comes back", async () => {
    const worker = { name: "naughty" };
    await request(app, "POST", "/api/jobs", send({ ...SEED_REQUEST, scheduled_at: null }));
    const taken = await request(app, "POST", "/api/take", send({ kinds: ["ai_agent"], limit: 100, worker }));
    const { jobs } = (await taken.json()) as { jobs: { lease_id: string; job_id: string }[] };
    const { lease_id, job_id } = jobs.at(-1)!;
    const at = `/api/leases/${lease_id}`;
    for (const text of STRINGS) {
      for (const wish of [
        { kinds: [text] },
        { queues: [text] },
        { worker: { name: text } },
        { worker: { ...worker, id: text } },
      ])
        await expectNoServerError("POST", "/api/take", send({ kinds: ["none"], worker, ...wish }));
      await expectNoServerError("POST", `/api/leases/${encodeURIComponent(text)}/beat`);
      await expectNoServerError("POST", `${at}/progress`, send({ percent: 1, message: text }));
      await expectNoServerError("POST", `${at}/log`, send({ message: text, fields: { [text]: text } }));
      expect((await request(app, "POST", `${at}/output`, send({ chunk: { [text]: text } }))).status).toBe(
        204,
      );
    }
    const chunks = await db.sql<{ data: { chunk: unknown } }[]>`
      select data from jobsvc.events where job_id = ${job_id} and type = 'output' order by seq`;
    expect(chunks.map(({ data }) => data.chunk)).toEqual(STRINGS.map((text) => ({ [text]: text })));
    const error = { name: STRINGS.join(""), message: STRINGS.join(""), stack: STRINGS.join("") };
    expect((await request(app, "POST", `${at}/end`, send({ outcome: "failed", error }))).status).toBe(200);
    expectNoFailure();
  });

  test("in a bulk filter, a change and a new key: no server error", async () => {
    for (const text of STRINGS) {
      for (const name of ["state", "resource_type", "queue", "user_id", "tag", "created_before", text])
        await expectNoServerError(
          "POST",
          "/api/jobs/cancel",
          send({ filter: { [name]: text }, dry_run: true }),
        );
      await expectNoServerError("PATCH", `/api/jobs/${crypto.randomUUID()}`, send({ scheduled_at: text }));
      await expectNoServerError("POST", "/api/keys", send({ name: text, scopes: [text], expires_at: text }));
      for (const name of ["queues", "kinds"])
        await expectNoServerError(
          "POST",
          "/api/keys",
          send({ name: "x", scopes: ["jobs:work"], [name]: [text] }),
        );
    }
    expectNoFailure();
  });
});

test("naughty strings in every header that is read, as bytes: no server error, and every one is answered", async () => {
  const failures: unknown[] = [];
  const { url } = await served({
    db,
    inserter: inserter({ db, onWaiting() {} }),
    emit: (name, fields) => name === "request.failed" && failures.push(fields),
  });
  const READ = ["Idempotency-Key", "Prefer", "X-Request-Id", "Accept", "Content-Type", "Content-Encoding"];
  const body = JSON.stringify(SEED_REQUEST);
  for (const text of STRINGS) {
    for (const name of [...READ, "Authorization", "Host", "Origin"]) {
      const fixed = [
        ...(name === "Host" ? [] : ["Host: localhost"]),
        ...(name === "Authorization" ? [] : [`Authorization: ${AUTHORIZATION.authorization}`]),
        ...(name === "Content-Type" ? [] : ["Content-Type: application/json"]),
        `Content-Length: ${body.length}`,
        "Connection: close",
      ];
      const head = ["POST /api/jobs/create HTTP/1.1", ...fixed, `${name}: ${text}`].join("\r\n");
      expect(await statusOf(url, `${head}\r\n\r\n${body}`)).toBeWithin(200, 500);
    }
  }
  expect(failures).toEqual([]);
}, 60_000);

/** What a request written byte by byte is answered with. */
function statusOf(url: URL, text: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let answer = "";
  const socket = connect(Number(url.port), url.hostname, () => socket.write(text));
  socket.on("data", (data) => {
    answer += data;
  });
  socket.on("close", () => resolve(Number(answer.match(/^HTTP\/1\.1 (\d{3})/)?.[1])));
  socket.on("error", reject);
  return promise;
}
