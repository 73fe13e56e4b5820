import { Type } from "@sinclair/typebox";
import type { Held } from "../queue/held.ts";

const ATTEMPT_BYTES = 4;
/** Two UUIDs and the attempt's number, without hyphens and at 6 bits a character. */
const CHARACTERS = ((16 + 16 + ATTEMPT_BYTES) * 8) / 6;

export const LeaseId = Type.Object({
  id: Type.String({
    pattern: `^[A-Za-z0-9_-]{${CHARACTERS}}$`,
    description: "The lease's id, as it was answered when the job was taken.",
  }),
});

/**
 * The lease of a job as its holder knows it. It says all that is needed to tell a late holder what became of the job: of
 * leases that are over nothing is kept, and of attempts not under which lease they ran.
 */
export function leaseIdOf({ leaseId, jobId, attempt }: Held): string {
  const number = attempt.toString(16).padStart(2 * ATTEMPT_BYTES, "0");
  return Buffer.from(`${leaseId}${jobId}`.replaceAll("-", "") + number, "hex").toString("base64url");
}

/** Any text of the right form names a hold, which need not ever have been. */
export function heldOf(id: string): Held {
  const digits = Buffer.from(id, "base64url").toString("hex");
  return {
    leaseId: uuidOf(digits.slice(0, 32)),
    jobId: uuidOf(digits.slice(32, 64)),
    // Beyond what an integer of the database holds there is no attempt.
    attempt: Math.min(Number.parseInt(digits.slice(64), 16), 2 ** 31 - 1),
  };
}

function uuidOf(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
