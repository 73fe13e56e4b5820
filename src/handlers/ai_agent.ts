import { simulated } from "./simulated.ts";

/** Runs an AI agent's task. For now it simulates one, which takes `durationMs`. */
export function aiAgent({ durationMs }: { durationMs: number }) {
  return simulated("ai_agent", durationMs);
}
