import type { Agent, AgentKind } from "../job/agent.ts";
import { HandlerError } from "../job/errors.ts";
import type { GuardedFetch } from "../outbound/guarded_fetch.ts";
import type { JobInfo } from "./define.ts";

/** What the jobs of both kinds of agents need. */
export interface AgentParts {
  findAgent: (resourceId: string) => Promise<Agent | undefined>;
  /** What becomes of a job for an agent that is not registered. */
  unregistered: "simulate" | "fail";
  /** How long a simulated job takes. */
  durationMs: number;
  fetch: GuardedFetch;
}

/**
 * The agent that does this job; undefined when there is none and its work is to be simulated. Throws when it is another
 * kind of agent, or another user's, and says no more of it than of one that is not there.
 */
export async function agentOf<Kind extends AgentKind>(
  kind: Kind,
  job: JobInfo,
  { findAgent, unregistered }: AgentParts,
): Promise<Extract<Agent, { kind: Kind }> | undefined> {
  const agent = await findAgent(job.resourceId);
  if (agent === undefined && unregistered === "simulate") return undefined;
  if (agent === undefined || !isOfKind(agent, kind) || (agent.userId ?? job.userId) !== job.userId)
    throw new HandlerError("no agent is registered for this job", { reason: "unregistered_agent" });
  return agent;
}

function isOfKind<Kind extends AgentKind>(agent: Agent, kind: Kind): agent is Extract<Agent, { kind: Kind }> {
  return agent.kind === kind;
}
