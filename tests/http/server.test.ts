import { afterAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { type HttpServer, httpServer } from "../../src/http/server.ts";
import type { NewJob } from "../../src/job/job.ts";
import { until } from "../support/until.ts";
import { JSON_TYPE, request, SEED_REQUEST, SOME_ID, testApp, testParts } from "./client.ts";

const running: HttpServer[] = [];

async function started(
  changes: Partial<Parameters<typeof httpServer>[0]> = {},
): Promise<HttpServer & { url: URL }> {
  const server = httpServer({ ...testParts().parts, host: "127.0.0.1", port: 0, ...changes });
  await server.start();
  running.push(server);
  return server as HttpServer & { url: URL };
}

afterAll(() => Promise.all(running.map((server) => server.stop())));

/** Speaks plain TCP, for what a well-behaved client does not send. Answers all that came until the other side closed. */
function raw(url: URL, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect(Number(url.port), url.hostname, () => socket.write(text));
  socket.on("data", (data) => {
    answer += data;
  });
  socket.on("close", () => resolve(answer));
  socket.on("error", reject);
  return promise;
}

/** The first thing that is answered, while more may still be to be sent. */
function firstAnswer(url: URL, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(Number(url.port), url.hostname, () => socket.write(text));
  socket.on("data", (data) => {
    resolve(String(data));
    socket.destroy();
  });
  socket.on("error", reject);
  return promise;
}

describe("over a socket", () => {
  test("everything is answered as the app answers it", async () => {
    const { url } = await started();
    const { app } = testApp();
    const REQUESTS: [method: string, path: string, body?: string][] = [
      ["GET", "/"],
      ["GET", "/livez"],
      ["HEAD", "/livez"],
      ["POST", "/livez"],
      ["GET", "/swagger"],
      ["GET", "/swagger/"],
      ["GET", "/swagger/swagger-ui.css"],
      ["GET", "/openapi.json"],
      ["GET", "/generated"],
      ["GET", "/api/jobs/create"],
      ["GET", `/api/jobs/${SOME_ID}`],
      ["OPTIONS", `/api/jobs/${SOME_ID}/cancel`],
      ["POST", "/api/jobs/create", "{"],
      ["POST", "/api/jobs/create", JSON.stringify({ ...SEED_REQUEST, priority: 0, extra: 1 })],
    ];
    for (const [method, path, body] of REQUESTS) {
      const init = { headers: { ...JSON_TYPE, "x-request-id": "same" }, ...(body && { body }) };
      const [direct, wire] = [
        await request(app, method, path, init),
        await fetch(new URL(path, url), { ...init, method, redirect: "manual" }),
      ];
      expect(wire.status).toBe(direct.status);
      expect(await wire.text()).toBe(await direct.text());
      for (const [name, value] of direct.headers)
        expect([name, wire.headers.get(name)]).toEqual([name, value]);
    }
  });

  test("HTTP/1.0 without a Host, short hosts and broken ones", async () => {
    const { url } = await started();
    for (const head of [
      "GET /livez HTTP/1.0",
      "GET /livez?x HTTP/1.1\r\nHost: a",
      "GET /livez HTTP/1.1\r\nHost: [",
    ])
      expect(await raw(url, `${head}\r\nConnection: close\r\n\r\n`)).toStartWith("HTTP/1.1 200 OK");
  });

  test("a request that can be read in two ways is refused", async () => {
    const { url } = await started();
    const head = "POST /api/jobs/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    for (const lengths of [
      "Content-Length: 2\r\nContent-Length: 3",
      "Content-Length: 2\r\nTransfer-Encoding: chunked",
    ])
      expect(await raw(url, `${head}${lengths}\r\nConnection: close\r\n\r\n{}`)).toStartWith("HTTP/1.1 400");
  });

  test("a hundred megabytes are refused in our words, before they have been sent", async () => {
    const { url } = await started();
    const head = "POST /api/jobs/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const declared = await firstAnswer(url, `${head}Content-Length: 104857600\r\n\r\n`);
    expect(declared).toContain("HTTP/1.1 413");
    expect(declared).toContain("application/problem+json");
    const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`;
    const undeclared = await firstAnswer(url, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}`);
    expect(undeclared).toContain("HTTP/1.1 413");
    expect(undeclared).toContain("application/problem+json");
  });

  test("a client that leaves in the middle of its body is no failure of ours", async () => {
    const { parts, told } = testParts();
    const { url } = await started(parts);
    const head = "POST /api/jobs/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const socket = connect(Number(url.port), url.hostname, () => {
      socket.end(`${head}Content-Length: 99\r\n\r\n{`);
    });
    await until("the request to be told", () => told.length > 0);
    expect(told.map(({ name, fields }) => [name, fields.status])).toEqual([["http.request", 400]]);
  });
});

describe("the service", () => {
  test("knows its address while it runs, and names the port that is taken", async () => {
    const stopped = httpServer({ ...testParts().parts, host: "127.0.0.1", port: 0 });
    expect(stopped.url).toBeUndefined();
    await stopped.stop();
    const { url } = await started();
    const second = httpServer({ ...testParts().parts, host: "127.0.0.1", port: Number(url.port) });
    expect(await second.start().catch((error: { code: string }) => error.code)).toBe("EADDRINUSE");
  });

  test("stops after the requests that it is answering, and takes no other", async () => {
    const { promise: inserting, resolve: nowInserting } = Promise.withResolvers<NewJob>();
    const { promise: committed, resolve: commit } = Promise.withResolvers<boolean>();
    const server = await started({
      inserter: {
        insert: ([job]) => {
          nowInserting(job!);
          return committed;
        },
      },
    });
    const { url } = server;
    const answer = fetch(new URL("/api/jobs/create", url), {
      method: "POST",
      body: JSON.stringify(SEED_REQUEST),
      headers: JSON_TYPE,
    });
    const job = await inserting;
    let stopped = false;
    const stopping = server.stop().then(() => {
      stopped = true;
    });
    expect(await fetch(new URL("/livez", url)).catch(() => "refused")).toBe("refused");
    expect(stopped).toBe(false);
    commit(true);
    expect(await (await answer).json()).toEqual({ job_id: job.id });
    await stopping;
    await server.stop();
  });

  test("an idle connection does not hold up the end", async () => {
    const server = await started();
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const { promise: answered, resolve: gotAnswer } = Promise.withResolvers<void>();
    const socket = connect(Number(server.url.port), server.url.hostname, () => {
      socket.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    });
    socket.on("data", () => gotAnswer());
    socket.on("close", () => resolve());
    await answered;
    await server.stop();
    await closed;
  });
});
