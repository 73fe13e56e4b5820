import { beforeAll, describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { isCallback } from "../../src/http/callback_auth.ts";
import { KINDS } from "../openapi/kinds.ts";
import { TEST_TOKENS } from "../support/agents.ts";
import { request, SEED_REQUEST, SOME_ID, testApp } from "./client.ts";
import { bearer } from "./keyed.ts";

interface Media {
  schema: { $ref: string };
  examples?: Record<string, object>;
}

interface Operation {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  security: object[];
  requestBody?: { content: Record<string, { example: unknown }> };
  responses: Record<string, { description: string; content: Record<string, Media> }>;
}

interface Document {
  openapi: string;
  info: { version: string; license: object };
  servers: object[];
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, object>;
    examples: Record<string, object>;
    securitySchemes: object;
  };
}

const { app } = testApp({ kinds: KINDS });

/** Of an attempt that never was. */
const TOKEN = TEST_TOKENS.make({ leaseId: SOME_ID, jobId: SOME_ID, attempt: 1 });

/** What answers in another form than JSON. */
const FORMS: Record<string, string> = {
  "/api/jobs/{id}/events": "text/event-stream",
  "/metrics": "text/plain",
};
let text: string;
let document: Document;
let operations: (Operation & { method: string; path: string })[];

beforeAll(async () => {
  text = await (await request(app, "GET", "/openapi.json")).text();
  document = JSON.parse(text);
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      path,
    })),
  );
});

describe("the OpenAPI document", () => {
  test("is valid", async () => {
    expect(document.openapi).toBe("3.1.0");
    expect(await new Validator().validate(JSON.parse(text))).toEqual({ valid: true });
  });

  test("describes every route there is, and no other", () => {
    const isHidden = (route: (typeof app.routes)[number]) => Boolean(route.hooks.detail?.hide);
    const named = ({ method, path }: { method: string; path: string }) =>
      `${method} ${path.replace(/:(\w+)/g, "{$1}")}`;
    expect(app.routes.filter(isHidden).map(named).sort()).toEqual([
      "GET /",
      "GET /openapi.json",
      "GET /swagger",
      "GET /swagger/start.js",
      "GET /swagger/swagger-ui-bundle.js",
      "GET /swagger/swagger-ui.css",
    ]);
    const routes = app.routes.filter((route) => !isHidden(route)).map(named);
    expect(operations.map(named).sort()).toEqual(routes.sort());
  });

  test("is what the router knows: any other method is answered with those that the document has", async () => {
    const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PROPFIND", "PUT"];
    for (const [path, methods] of Object.entries(document.paths)) {
      const documented = Object.keys(methods).map((method) => method.toUpperCase());
      const taken = [...documented, ...(documented.includes("GET") ? ["HEAD"] : [])].sort();
      for (const method of METHODS) {
        const response = await request(
          app,
          method,
          path.replace(/\{\w*id\}/, SOME_ID).replace("{name}", "default"),
          isCallback(path) ? { headers: bearer(TOKEN) } : {},
        );
        await response.body?.cancel();
        const [status, allow] = [response.status, response.headers.get("allow")];
        if (taken.includes(method)) expect([path, method, status]).not.toEqual([path, method, 405]);
        else expect([path, method, status, allow]).toEqual([path, method, 405, taken.join(", ")]);
      }
    }
  });

  test("gives each operation a name of its own, a title and a text", () => {
    const names = operations.map(({ operationId }) => operationId);
    expect(new Set(names).size).toBe(names.length);
    for (const { operationId, summary, description, tags } of operations) {
      expect(operationId).toMatch(/^[a-z][A-Za-z]+$/);
      expect(summary).not.toBeEmpty();
      expect(description).not.toBeEmpty();
      expect(tags).toHaveLength(1);
    }
  });

  test("names its schemas, refers to them, and leaves nothing of the generator's", () => {
    const names = Object.keys(document.components.schemas);
    const ofKinds = names.filter((name) => /^(NewJob|Payload)\./.test(name));
    expect(ofKinds).toHaveLength(2 * KINDS.kinds.length);
    expect(names.filter((name) => !ofKinds.includes(name))).toEqual([
      "Agent",
      "AgentPage",
      "AiAgent",
      "ApiKey",
      "ApiKeyPage",
      "Attempt",
      "AuditEntry",
      "AuditPage",
      "Batch",
      "Bulk",
      "BulkDone",
      "CallbackEnd",
      "ClientAgent",
      "Counts",
      "CreatedApiKey",
      "CreatedBatch",
      "CreatedJob",
      "Health",
      "Job",
      "JobChange",
      "JobError",
      "JobEvents",
      "JobPage",
      "LaneCounts",
      "LeaseBeat",
      "LeaseEnd",
      "LeaseEnded",
      "LeaseLog",
      "LeaseOutput",
      "LeaseProgress",
      "ListedJob",
      "MetricsText",
      "NewAgent",
      "NewAiAgent",
      "NewApiKey",
      "NewClientAgent",
      "NewJob",
      "NewJobOfAnotherKind",
      "Problem",
      "Queue",
      "Queues",
      "Readiness",
      "Stats",
      "Take",
      "Taken",
      "TakenJob",
      "Usage",
      "Why",
      "Worker",
      "Workers",
    ]);
    for (const [, name] of text.matchAll(/"\$ref":"#\/components\/schemas\/([\w.-]+)"/g))
      expect(names).toContain(name!);
    expect(text).not.toMatch(/"\$id":"|multipart/);
  });

  test("lists every refusal as a problem, and what else may happen to each operation", () => {
    for (const { path, responses } of operations) {
      for (const [status, { content }] of Object.entries(responses)) {
        const type = Number(status) < 400 ? (FORMS[path] ?? "application/json") : "application/problem+json";
        expect(Object.keys(content ?? {})).toEqual(["204", "304"].includes(status) ? [] : [type]);
        if (Number(status) >= 400) expect(content[type]!.schema.$ref).toEndWith("/Problem");
      }
      expect(responses).toHaveProperty("500");
      if (path.startsWith("/api/jobs")) expect(Object.keys(responses)).toContainValues(["401", "503"]);
      if (path.includes("id}")) expect(responses).toHaveProperty("404");
    }
    const create = document.paths["/api/jobs/create"]!.post!;
    expect(Object.keys(create.responses)).toEqual([
      "201",
      "400",
      "401",
      "403",
      "408",
      "409",
      "413",
      "415",
      "422",
      "429",
      "500",
      "503",
    ]);
  });

  test("has the seed's example, which the service takes", async () => {
    const { example } = document.paths["/api/jobs/create"]!.post!.requestBody!.content["application/json"]!;
    expect(example).toEqual(SEED_REQUEST);
  });

  test("shows an example of every body, and of every reason for a refusal", () => {
    const { schemas, examples } = document.components;
    for (const { operationId, requestBody, responses } of operations) {
      for (const media of Object.values(requestBody?.content ?? {})) expect(media.example).toBeDefined();
      for (const [status, { content }] of Object.entries(responses)) {
        const [media] = Object.values(content ?? {});
        if (media === undefined) continue;
        const named = Object.keys(media.examples ?? {});
        if (Number(status) >= 400)
          expect([operationId, status, named]).not.toEqual([operationId, status, []]);
        for (const kind of named) expect(examples[kind]).toMatchObject({ value: { status: Number(status) } });
        expect(schemas[media.schema.$ref.split("/").at(-1)!]).toHaveProperty("examples");
      }
    }
  });

  test("says what needs a key", () => {
    expect(document.components.securitySchemes).toMatchObject({
      key: { type: "http", scheme: "bearer" },
      token: { type: "http", scheme: "bearer" },
    });
    const isOpen = (path: string) => ["/api/health", "/livez", "/readyz"].includes(path);
    const byKey = operations.filter(({ path }) => !isOpen(path) && !isCallback(path));
    for (const { security } of byKey) expect(security).toEqual([{ key: [expect.any(String)] }, {}]);
    for (const { path, security } of operations.filter((operation) => !byKey.includes(operation)))
      expect([path, security]).toEqual([path, isCallback(path) ? [{ token: [] }] : []]);
  });

  test("tells the version and the licence, and points to no other host", () => {
    expect(document.info).toMatchObject({ version: "1.2.3", license: { identifier: "MIT" } });
    expect(document.servers).toMatchObject([{ url: "/" }]);
    // Names under example.com lead to nobody (RFC 2606).
    expect(text).not.toMatch(/https?:\/\/(?!\w+\.example\.com\b)/);
  });
});
