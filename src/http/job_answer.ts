import type { Principal } from "../access/principal.ts";
import type { ReadJob } from "../queue/read.ts";
import { jobJson } from "./job_view.ts";
import { notFound, Problem, type ProblemKind } from "./problem.ts";

/** The job as it is now. To a client that has seen just that (`If-None-Match`) only that nothing has changed. */
export async function jobAnswer(
  readJob: ReadJob,
  id: string,
  { userId }: Principal,
  seen: string | null = null,
): Promise<Response> {
  const job = await readJob(id, userId);
  if (job === undefined) throw notFound();
  const body = jobJson(job);
  const etag = `"${Bun.SHA256.hash(body, "base64url")}"`;
  if (seen !== null && hasSeen(seen, etag)) return new Response(null, { status: 304, headers: { etag } });
  return new Response(body, { headers: { "content-type": "application/json", etag } });
}

/** Compared weakly (RFC 9110, 13.1.2): a proxy that compresses an answer marks its tag so. */
function hasSeen(tags: string, etag: string): boolean {
  const seen = tags.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return seen.includes(etag) || seen.includes("*");
}

/** Why an action was refused: says in which state the job is, unless there is none to tell of. */
export async function refused(
  readJob: ReadJob,
  id: string,
  { userId }: Principal,
  kind: ProblemKind,
): Promise<Problem> {
  const job = await readJob(id, userId);
  return job ? new Problem(kind, `the job is ${job.state}${MORE[kind] ?? ""}`) : notFound();
}

const MORE: Partial<Record<ProblemKind, string>> = {
  already_final: " already",
  still_held: ", but who ran it has not let go of it yet",
};
