import { Webhook } from "standardwebhooks";
import { answersJson } from "./behaviours.ts";
import { type Call, type FakeServer, fakeServer } from "./fake_server.ts";

/** What a client's agent is sent. */
export interface Envelope {
  type: string;
  timestamp: string;
  data: { job_id: string; attempt: number; payload: unknown; [member: string]: unknown };
}

/** A client that takes jobs as webhooks. The key of a call is the member `case` of the job's payload. */
export function receiver(): Promise<FakeServer> {
  return fakeServer((call) => caseOf(call), answersJson(200, { done: true }));
}

function caseOf(call: Call): string {
  const { payload } = (JSON.parse(call.body) as Envelope).data;
  return typeof payload === "object" && payload !== null && "case" in payload ? String(payload.case) : "";
}

/** What was sent, if it was signed with this secret; throws otherwise. Checked by the reference library. */
export function verified(call: Call, secret: string): Envelope {
  return new Webhook(secret).verify(call.body, call.headers) as Envelope;
}

export function newSecret(): string {
  return `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;
}
