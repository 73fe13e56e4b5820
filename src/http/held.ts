import type { Database } from "../db/connect.ts";
import type { StaleReason } from "../job/stale.ts";
import { letGo } from "../queue/end_held.ts";
import { type HeldJob, readHeld } from "../queue/held.ts";
import { principalOf } from "./auth.ts";
import { heldOf } from "./lease_id.ts";
import { notFound, Problem } from "./problem.ts";
import { isWithin } from "./work_limits.ts";

const DETAILS: Record<StaleReason, string> = {
  lost: "the job was taken for lost: its worker was silent for too long, and it may run elsewhere",
  cancelled: "the job was cancelled",
  timed_out: "the attempt took longer than its limit",
  finished: "the attempt has ended already",
};

/** The job under this lease, whether or not it is still held. Throws for what never was, or is not for this key. */
export async function findHeld(db: Database, request: Request, leaseId: string): Promise<HeldJob> {
  const job = await readHeld(db, heldOf(leaseId));
  if (job === undefined || !isWithin(principalOf(request), job)) throw notFound();
  return job;
}

/** Why a call about this job is refused. Its holder learns here that it holds it no more, and so lets go of it. */
export async function staleProblem(db: Database, job: HeldJob, reason: StaleReason): Promise<Problem> {
  await letGo(db, job);
  return new Problem("stale", DETAILS[reason], { more: { reason } });
}

/** The same where the call itself has found that the job is not held: the reason is looked up. */
export async function refusal(db: Database, job: HeldJob): Promise<Problem> {
  const now = await readHeld(db, job);
  // Held by nobody who lives: it is about to be rescued.
  return now === undefined ? notFound() : await staleProblem(db, now, now.stale ?? "lost");
}
