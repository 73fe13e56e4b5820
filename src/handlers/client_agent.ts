import { simulated } from "./simulated.ts";

/** Hands a task to a client's own agent. For now it simulates one, which takes `durationMs`. */
export function clientAgent({ durationMs }: { durationMs: number }) {
  return simulated("client_agent", durationMs);
}
