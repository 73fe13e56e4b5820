import type { ClientAgent } from "../job/agent.ts";
import { type AgentParts, agentOf } from "./agent_job.ts";
import { beginningOf } from "./beginning.ts";
import { defineJob, type JobContext, type JobInfo } from "./define.ts";
import { outboundFailure, refusalError } from "./refusal.ts";
import { anyJson, simulated } from "./simulated.ts";
import { envelope, signed } from "./webhook/envelope.ts";
import { resultOf } from "./webhook/result.ts";

export interface ClientAgentParts extends AgentParts {
  /** What lets the client tell of this one attempt, and end it. */
  callbackToken: (job: JobInfo, attempt: number) => string;
  /** Where it does so; undefined where nobody has said how clients reach this service. */
  callbackUrl: string | undefined;
}

/** Does not want to be called any more. */
const GONE = 410;
const ACCEPTED = 202;

/** Hands a job to a client's own agent, by a signed webhook; simulated where the agent is not registered. */
export function clientAgent(parts: ClientAgentParts) {
  const simulation = simulated("client_agent", parts.durationMs);
  return defineJob({
    kind: "client_agent",
    payload: anyJson({}),
    async run(payload, context) {
      const agent = await agentOf("client_agent", context.job, parts);
      if (agent === undefined) return await simulation.run(payload, context);
      const token = parts.callbackToken(context.job, context.attempt);
      try {
        const answer = await call(agent, token, context, parts);
        if (willCallBack(answer)) return await callBack(answer, context.signal);
        return await resultOf(answer, [token]);
      } catch (error) {
        throw outboundFailure(error);
      }
    },
  });
}

/** Answers what the client answered, or throws what becomes of the attempt when that is a refusal. */
async function call(
  { config, signingSecrets }: ClientAgent,
  token: string,
  context: JobContext,
  { fetch, callbackUrl }: ClientAgentParts,
): Promise<Response> {
  const { job, signal } = context;
  const now = new Date();
  const body = envelope(context, now);
  const answer = await fetch(config.url, {
    method: "POST",
    body,
    signal,
    headers: {
      "content-type": "application/json",
      "user-agent": "jobsvc",
      ...signed(job.id, body, signingSecrets, now),
      "jobsvc-callback-token": token,
      ...(callbackUrl && { "jobsvc-callback-url": callbackUrl }),
      ...(job.traceparent && { traceparent: job.traceparent }),
    },
  });
  if (answer.ok) return answer;
  const { status, headers } = answer;
  const text = await beginningOf(answer);
  throw refusalError({ who: "the agent", status, headers, text, secrets: [token], again: status !== GONE });
}

/** "I will call back": the place that it names is its own business. */
function willCallBack({ status, headers }: Response): boolean {
  return status === ACCEPTED && headers.has("location");
}

/**
 * Waits for the end of the attempt, which comes from outside: the client tells it to any process of the service. Nothing
 * is told from here, for what the client tells is numbered by the database, and two cannot number one story.
 */
async function callBack({ body }: Response, signal: AbortSignal): Promise<never> {
  await body?.cancel();
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  signal.throwIfAborted();
  return await promise;
}
