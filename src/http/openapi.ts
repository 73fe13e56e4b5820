import { swagger } from "@elysiajs/swagger";
import { type AnyElysia, Elysia } from "elysia";
import type { Scope } from "../access/scopes.ts";
import { isGuarded, scopeOf } from "./auth.ts";
import { namedSchemas, type Schema } from "./named_schemas.ts";
import { titleOf } from "./problem.ts";

/** Never reached from outside: the generator has an app of its own, for its page loads scripts from other hosts. */
const PAGE_PATH = "/generated";
const SPEC_PATH = "/generated/json";

interface Media {
  schema: Schema;
  example?: unknown;
}

interface Body {
  content?: Record<string, Media>;
  [more: string]: unknown;
}

interface Operation {
  requestBody?: Body;
  responses: Record<string, Body>;
  [more: string]: unknown;
}

interface Generated {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

/** Headers of answers, and the statuses that have them; `counted` where calls are counted against a key. */
const HEADERS: Record<string, { statuses?: number[]; counted?: boolean; description: string }> = {
  "X-Request-Id": { description: "The id of the request, given or made: the log knows it under this name." },
  Location: { statuses: [201], description: "Where to read what was created." },
  "WWW-Authenticate": { statuses: [401], description: "How to send a key." },
  "Retry-After": {
    statuses: [429, 503],
    description: "Seconds after which to try again, where that will help.",
  },
  "RateLimit-Policy": {
    counted: true,
    description: 'How many calls a key has in how many seconds: `"read";q=60000;w=60`.',
  },
  RateLimit: {
    counted: true,
    description: 'How many of them are left, and when there is one more: `"read";r=59999;t=1`.',
  },
};

const NO_CONTENT = 204;

/** Answered before a call is counted. */
const UNCOUNTED = [401, 403];

/** The OpenAPI 3.1 document of these routes, made of the very schemas by which they are checked. */
export async function openApi(routes: AnyElysia, version: string) {
  const { paths, components } = await generate(routes);
  const scopes = scopesOf(routes);
  const schemas = namedSchemas(components.schemas);
  return {
    openapi: "3.1.0",
    info: {
      title: "jobsvc",
      version,
      description: "Background jobs on plain PostgreSQL: create them, watch them, cancel them.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/", description: "The service that answers this document." }],
    tags: [
      { name: "jobs", description: "Jobs, from their creation to their end." },
      { name: "queues", description: "Queues, and how many jobs are where." },
      { name: "workers", description: "The processes that run jobs." },
      { name: "access", description: "Keys, and who managed what with them." },
      { name: "health", description: "Is the service there, and can it work?" },
    ],
    paths: mapValues(paths, (methods, path) =>
      mapValues(methods, (operation, method) =>
        described(operation, scopes.get(`${method} ${path}`), schemas),
      ),
    ),
    components: {
      schemas,
      headers: mapValues(HEADERS, ({ description }) => ({ description, schema: { type: "string" } })),
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "An API key of this service." },
      },
    },
  };
}

async function generate(routes: AnyElysia): Promise<Generated> {
  const generator = new Elysia().use(swagger({ path: PAGE_PATH, specPath: SPEC_PATH })).use(routes);
  const answer = await generator.handle(new Request(`http://localhost${SPEC_PATH}`));
  return (await answer.json()) as Generated;
}

/** By method and path, as the document writes them. */
function scopesOf(routes: AnyElysia): Map<string, Scope | undefined> {
  return new Map(
    routes.routes.map((route) => [
      `${route.method.toLowerCase()} ${route.path.replaceAll(/:(\w+)/g, "{$1}")}`,
      isGuarded(route.path) ? scopeOf(route) : undefined,
    ]),
  );
}

/** What the generator wrote, without what OpenAPI does not know: it lists every body under three types, for one. */
function described(
  { requestBody, responses, ...operation }: Operation,
  scope: Scope | undefined,
  schemas: Record<string, Schema>,
) {
  return {
    ...operation,
    ...(scope && { description: `${operation.description} Needs the scope \`${scope}\`.` }),
    // A service without any key is open, to its own machine only.
    security: scope ? [{ key: [scope] }, {}] : [],
    ...(requestBody && { requestBody: { required: true, content: jsonWithExample(requestBody, schemas) } }),
    responses: mapValues(responses, (response, status) =>
      answer(response, Number(status), scope !== undefined),
    ),
  };
}

function jsonWithExample(body: Body, schemas: Record<string, Schema>): Record<string, Media> {
  const { schema } = mediaOf(body);
  const [example] = schemas[nameOf(schema)]?.examples ?? [];
  return { "application/json": { schema, ...(example !== undefined && { example }) } };
}

function answer(response: Body, status: number, scoped: boolean): Body {
  const isCounted = scoped && !UNCOUNTED.includes(status);
  const headers = Object.entries(HEADERS).filter(
    ([, { statuses, counted }]) => (statuses?.includes(status) ?? true) && (isCounted || !counted),
  );
  return {
    description: titleOf(status) ?? response.description,
    headers: Object.fromEntries(headers.map(([name]) => [name, { $ref: `#/components/headers/${name}` }])),
    ...(status !== NO_CONTENT && {
      content: { [status < 400 ? "application/json" : "application/problem+json"]: mediaOf(response) },
    }),
  };
}

function mediaOf({ content }: Body): Media {
  const [media] = Object.values(content ?? {});
  if (media === undefined) throw new Error("a body without a schema cannot be described");
  return media;
}

function nameOf({ $ref }: Schema): string {
  return $ref?.split("/").at(-1) ?? "";
}

function mapValues<From, To>(
  object: Record<string, From>,
  change: (value: From, key: string) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));
}
