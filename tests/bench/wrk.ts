import { join } from "node:path";
import type { Endpoints } from "./contender.ts";

/** What a load generator of few cycles counts: it shares two cores with what it measures. */
export interface Load {
  requests: number;
  seconds: number;
  p50: number;
  p99: number;
}

export const WRK_MISSING = "needs wrk: apt-get install wrk";

export function hasWrk(): boolean {
  return Bun.which("wrk") !== null;
}

/** Sends one request after another on each of so many connections. Throws when an answer is no success. */
export async function wrk(
  { url, authorization = "", create, get }: Endpoints,
  what: "create" | "get",
  connections: number,
  seconds: number,
): Promise<Load> {
  const script = join(import.meta.dir, "wrk.lua");
  const path = what === "create" ? create.path : get;
  const command = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, `--script=${script}`, `${url}${path}`];
  const body = what === "create" ? create.body : "";
  const env = { ...Bun.env, BODY: body, AUTHORIZATION: authorization };
  const child = Bun.spawn(command, { env, stdio: ["ignore", "pipe", "inherit"] });
  const output = await new Response(child.stdout).text();
  const told = output.match(/^\{.*\}$/m)?.[0];
  if ((await child.exited) !== 0 || told === undefined) throw new Error(`wrk failed: ${output}`);
  const { failed, ...load } = JSON.parse(told) as Load & { failed: number };
  if (failed > 0) throw new Error(`${failed} requests failed of ${load.requests}`);
  return load;
}
