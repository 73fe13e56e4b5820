/** The kinds of jobs that call an agent. */
export const AGENT_KINDS = ["ai_agent", "client_agent"] as const;

export type AgentKind = (typeof AGENT_KINDS)[number];

interface Registered {
  /** The `resource_id` of the jobs that use it. */
  resourceId: string;
  /** For people. */
  name: string;
  /** The one user whose jobs may use it; null for everybody's. */
  userId: string | null;
}

/** An endpoint that speaks like OpenAI's chat completions. */
export interface AiAgentConfig {
  /** As it was registered, with or without a slash at its end: `/chat/completions` goes behind it. */
  baseUrl: string;
  model: string;
  /** Said to the model before everything else. */
  instructions?: string | undefined;
  temperature?: number | undefined;
  /** The most that one call may answer. */
  maxTokens?: number | undefined;
  /** What a job may use up, all its attempts together; the cost is counted by the price. */
  budget?: { tokens?: number; cost?: number } | undefined;
  /** For a million tokens, in whatever currency. */
  price?: { input: number; output: number } | undefined;
  /** Time limit of one call. */
  timeoutMs?: number | undefined;
}

/** Where a client takes jobs in, as webhooks. */
export interface ClientAgentConfig {
  url: string;
}

export interface AiAgent extends Registered {
  kind: "ai_agent";
  config: AiAgentConfig;
  /** Null for an endpoint that wants none. */
  apiKey: string | null;
}

export interface ClientAgent extends Registered {
  kind: "client_agent";
  config: ClientAgentConfig;
  /** `whsec_…`, each signs: the newest first, and for a day the one before it. */
  signingSecrets: readonly string[];
}

/** An agent with its secrets in the clear: for whoever calls it, never for an answer or a log. */
export type Agent = AiAgent | ClientAgent;
