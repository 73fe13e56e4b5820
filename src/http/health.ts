import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { Problem } from "./problem.ts";
import { answered, CHECKS, ProblemBody, problems } from "./schemas.ts";

export interface Readiness {
  ready: boolean;
  checks: Record<string, { ok: boolean; detail?: string }>;
}

export interface HealthParts {
  version: string;
  readiness(): Promise<Readiness>;
}

const Health = answered(
  {
    status: Type.Literal("ok"),
    version: Type.String(),
    uptime_seconds: Type.Integer({ description: "Since the process started." }),
  },
  { $id: "Health", description: "The process answers." },
);

const Ready = answered(
  {
    status: Type.Literal("ready"),
    checks: CHECKS,
  },
  { $id: "Readiness", description: "The process can do its work." },
);

const ALIVE = "Answers from memory: also while the database is away.";

/** Probes never need a key. Only `/readyz` asks the database: a process is not restarted because Postgres is. */
export function healthRoutes({ version, readiness }: HealthParts) {
  const health = () => ({ status: "ok" as const, version, uptime_seconds: Math.floor(process.uptime()) });
  return new Elysia({ name: "health", tags: ["health"], normalize: false })
    .model({ Health, Readiness: Ready, Problem: ProblemBody })
    .get("/api/health", health, {
      response: { 200: "Health", ...problems(500) },
      detail: { operationId: "getHealth", summary: "Is the service there?", description: ALIVE },
    })
    .get("/livez", health, {
      response: { 200: "Health", ...problems(500) },
      detail: { operationId: "getLiveness", summary: "Does the process answer?", description: ALIVE },
    })
    .get(
      "/readyz",
      async () => {
        const { ready, checks } = await readiness();
        if (ready) return { status: "ready" as const, checks };
        throw new Problem("unavailable", "not ready for work", { more: { checks } });
      },
      {
        response: { 200: "Readiness", ...problems(500, 503) },
        detail: {
          operationId: "getReadiness",
          summary: "Can the process do its work?",
          description: "Asks the database too, and says no while the process starts or stops.",
        },
      },
    );
}
