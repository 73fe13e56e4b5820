import { Type } from "@sinclair/typebox";
import { flag, milliseconds, oneOf } from "./row.ts";

/** The rows of the table of settings that are about agents, and how they are called. */
export const AGENT_SETTINGS = {
  unregisteredAgents: oneOf(["simulate", "fail"], {
    default: "simulate",
    description: "What becomes of a job for an agent that is not registered",
  }),
  aiAgentSimulationMs: milliseconds({
    default: 2_000,
    description: "How long a simulated ai_agent job takes",
  }),
  clientAgentSimulationMs: milliseconds({
    default: 1_000,
    description: "How long a simulated client_agent job takes",
  }),
  secretsKeys: Type.Array(Type.String({ pattern: "^[A-Za-z0-9+/_-]{43}=?$" }), {
    default: [],
    expects: "keys of 32 bytes in base64, separated by commas",
    placeholder: "key,…",
    secret: true,
    defaultText: "none; embedded: one in the data directory",
    description: "Encrypt the secrets of agents: the first key encrypts, all decrypt",
  }),
  publicUrl: Type.Optional(
    Type.String({
      pattern: "^https?://[^\\s/?#]+(/[^\\s?#]*)?$",
      expects: "https://jobs.example.com",
      placeholder: "url",
      defaultText: "none",
      description: "Where clients reach this service: named in the calls that ask them to call back",
    }),
  ),
  outboundHttp: flag({
    default: false,
    description: "Let agents be called by plain http, too",
  }),
  outboundPorts: Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), {
    default: [443],
    minItems: 1,
    expects: "ports, separated by commas",
    placeholder: "port,…",
    description: "Ports at which agents may be called; where plain http is let through, 80 as well",
  }),
  outboundAllow: Type.Array(Type.String({ pattern: "^[0-9A-Fa-f:.]+/\\d{1,3}$" }), {
    default: [],
    expects: "networks such as 10.1.0.0/16, separated by commas",
    placeholder: "network,…",
    description: "Private networks in which agents may be called; all others are refused",
  }),
};
