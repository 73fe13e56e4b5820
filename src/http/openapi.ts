import { swagger } from "@elysiajs/swagger";
import { type AnyElysia, Elysia, type InternalRoute } from "elysia";
import { headerComponents } from "./answer_headers.ts";
import { isGuarded, scopeOf } from "./auth.ts";
import { isByToken } from "./callback_auth.ts";
import { EXAMPLES } from "./examples.ts";
import type { Kinds } from "./kinds.ts";
import { linkComponents } from "./links.ts";
import { namedSchemas, type Schema } from "./named_schemas.ts";
import { newJobByKind } from "./new_job_by_kind.ts";
import { describe, mapValues, type Opening, type Operation } from "./operation.ts";
import { type ProblemKind, titleOf } from "./problem.ts";
import { exampleProblem } from "./problem_examples.ts";

/** Never reached from outside: the generator has an app of its own, for its page loads scripts from other hosts. */
const PAGE_PATH = "/generated";
const SPEC_PATH = "/generated/json";

interface Generated {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

/** The OpenAPI 3.1 document of these routes, made of the very schemas by which they and the payloads are checked. */
export async function openApi(routes: AnyElysia, version: string, kinds: Kinds) {
  const { paths, components } = await generate(routes);
  const openings = openingsOf(routes);
  const { NewJob, ...named } = namedSchemas(components.schemas);
  const known = kinds.kinds.map((kind) => kinds.find(kind)!);
  const schemas = withExamples(sorted({ ...named, ...newJobByKind(NewJob!, known) }));
  const refusals = new Set<ProblemKind>();
  const described = mapValues(paths, (methods, path) =>
    mapValues(methods, (operation, method) =>
      describe(operation, { opening: openings.get(`${method} ${path}`), schemas, refusals }),
    ),
  );
  return {
    openapi: "3.1.0",
    info: {
      title: "jobsvc",
      version,
      description:
        "Background jobs on plain PostgreSQL: create them, watch them, cancel them. Every error is an " +
        "`application/problem+json` (RFC 9457). A method that an address does not take is answered 405, with " +
        "those that it takes in `Allow`.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/", description: "The service that answers this document." }],
    tags: [
      { name: "jobs", description: "Jobs, from their creation to their end." },
      { name: "queues", description: "Queues, and how many jobs are where." },
      {
        name: "workers",
        description: "Who runs jobs, and how workers in any language take, tell of and end them.",
      },
      { name: "agents", description: "Whom jobs call: models, and clients." },
      { name: "access", description: "Keys, and who managed what with them." },
      { name: "health", description: "Is the service there, and can it work?" },
    ],
    paths: described,
    components: {
      schemas,
      headers: headerComponents(),
      links: linkComponents(),
      examples: Object.fromEntries(
        [...refusals].sort().map((kind) => [kind, { summary: titleOf(kind), value: exampleProblem(kind) }]),
      ),
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "An API key of this service." },
        token: { type: "http", scheme: "bearer", description: "The `jobsvc-callback-token` of a call." },
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
function openingsOf(routes: AnyElysia): Map<string, Opening> {
  return new Map(
    routes.routes.map((route) => [
      `${route.method.toLowerCase()} ${route.path.replaceAll(/:(\w+)/g, "{$1}")}`,
      openingOf(route),
    ]),
  );
}

function openingOf(route: InternalRoute): Opening {
  if (isByToken(route)) return "token";
  const scope = isGuarded(route.path) ? scopeOf(route) : undefined;
  return scope && { scope };
}

function sorted(schemas: Record<string, Schema>): Record<string, Schema> {
  return Object.fromEntries(Object.entries(schemas).sort());
}

function withExamples(schemas: Record<string, Schema>): Record<string, Schema> {
  return mapValues(schemas, (schema, name) =>
    name in EXAMPLES ? { ...schema, examples: [EXAMPLES[name]] } : schema,
  );
}
