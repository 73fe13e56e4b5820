import { createHash } from "node:crypto";
import type { Principal } from "../access/principal.ts";
import type { Database } from "../db/connect.ts";
import type { AskedJob, NewJob } from "../job/job.ts";
import { type Claim, readClaim } from "../queue/claim.ts";
import type { Inserter } from "../queue/inserter.ts";
import { pathOf } from "./exchange.ts";
import { Problem } from "./problem.ts";

/** A structured-field string, as the draft wants it, or the bare word that most clients send. */
const QUOTED_KEY = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const BARE_KEY = /^[A-Za-z0-9._:~+/=-]+$/;
const MAX_KEY_CHARACTERS = 255;
const RETRY_AFTER_S = 1;

export interface Inserted {
  jobIds: string[];
  /** An earlier request with this key got these jobs. */
  replayed: boolean;
}

/**
 * An insert whose answer was lost may take its whole deadline to learn that it had gone through, and then the first answer is
 * still to be looked up: nobody should wait for two deadlines.
 */
const ANSWER_WITHIN_MS = 6_000;
const SHORTEST_LOOK_MS = 1_000;

export interface OnceParts {
  db: Database;
  inserter: Inserter;
}

export interface OnceRequest {
  request: Request;
  /** The body as it was sent. */
  text: string;
  principal: Principal;
  jobs: readonly AskedJob[];
}

/**
 * Inserts the jobs of a request; with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07) at most once.
 * The key belongs to whoever presents it, holds for a day, and for one request: another one with it is refused.
 */
export function insertOnce({ db, inserter }: OnceParts) {
  const inProgress = new Set<string>();

  return async ({ request, text, principal, jobs: asked }: OnceRequest): Promise<Inserted> => {
    const jobs = withIds(asked);
    const jobIds = jobs.map((job) => job.id);
    const claim = claimOf(request, text, principal);
    if (!claim) {
      await inserter.insert(jobs);
      return { jobIds, replayed: false };
    }
    const name = JSON.stringify([claim.owner, claim.key]);
    if (inProgress.has(name)) throw stillRunning();
    inProgress.add(name);
    const begunMs = performance.now();
    try {
      if (await inserter.insert(jobs, claim)) return { jobIds, replayed: false };
      const leftMs = Math.max(SHORTEST_LOOK_MS, ANSWER_WITHIN_MS - (performance.now() - begunMs));
      return await replay(db, claim, jobIds, leftMs);
    } finally {
      inProgress.delete(name);
    }
  };
}

/**
 * Ids are made at one go and right before the insert. Those of batches that are read at the same time, in turns, would come to
 * the indexes in turns too, between others that are there already: pages would be split in the middle and stay half empty.
 * The jobs get them as they are, for a copy of each costs more than its id.
 */
function withIds(jobs: readonly AskedJob[]): NewJob[] {
  return jobs.map((job) => Object.assign(job, { id: Bun.randomUUIDv7() }));
}

async function replay(db: Database, claim: Claim, jobIds: string[], deadlineMs: number): Promise<Inserted> {
  const first = await readClaim(db, claim, deadlineMs);
  // Forgotten between the two statements: the day was over.
  if (!first) throw stillRunning();
  if (first.requestHash !== claim.requestHash) {
    throw new Problem("key_reused", "this Idempotency-Key was used for another request; choose a new one");
  }
  return { jobIds: first.jobIds, replayed: first.jobIds[0] !== jobIds[0] };
}

function claimOf(request: Request, text: string, { owner }: Principal): Claim | undefined {
  const header = request.headers.get("idempotency-key");
  if (header === null) return undefined;
  const key =
    header.match(QUOTED_KEY)?.[1]?.replaceAll(/\\(["\\])/g, "$1") ?? header.match(BARE_KEY)?.[0] ?? "";
  if (key === "" || key.length > MAX_KEY_CHARACTERS) {
    throw new Problem(
      "malformed",
      `an Idempotency-Key is a quoted text of 1 to ${MAX_KEY_CHARACTERS} characters`,
    );
  }
  const requestHash = createHash("sha256")
    .update(`${pathOf(request)}\n${text}`)
    .digest("hex");
  return { owner, key, requestHash };
}

function stillRunning(): Problem {
  const headers = { "retry-after": String(RETRY_AFTER_S) };
  return new Problem("in_progress", "the first request with this Idempotency-Key is still being answered", {
    headers,
  });
}
