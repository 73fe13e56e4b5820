/** One fault in a request: where it is (RFC 6901, from the root of the body) and what is wrong with it. */
export interface FieldError {
  pointer: string;
  detail: string;
}

/** Every way in which a request can be refused. A client tells them apart by `type`, a person by the title. */
const KINDS = {
  malformed: { status: 400, title: "The request cannot be read" },
  unauthorized: { status: 401, title: "A valid API key is needed" },
  forbidden: { status: 403, title: "This API key may not do that" },
  not_found: { status: 404, title: "There is nothing here" },
  method_not_allowed: { status: 405, title: "This address does not take that method" },
  too_slow: { status: 408, title: "The request came too slowly" },
  already_final: { status: 409, title: "The job has already ended" },
  not_final: { status: 409, title: "The job has not ended" },
  not_waiting: { status: 409, title: "The job does not wait" },
  still_held: { status: 409, title: "Somebody still holds the job" },
  stale: { status: 409, title: "The job is not held any more" },
  in_progress: { status: 409, title: "The same request is being answered" },
  key_reused: { status: 422, title: "The idempotency key belongs to another request" },
  too_large: { status: 413, title: "The request is too large" },
  unsupported_media_type: { status: 415, title: "The body must be JSON in UTF-8" },
  invalid: { status: 422, title: "The request is not valid" },
  too_many_requests: { status: 429, title: "Too many requests" },
  internal: { status: 500, title: "Something went wrong here" },
  unavailable: { status: 503, title: "The service cannot answer right now" },
} as const;

export type ProblemKind = keyof typeof KINDS;

/** A URN, because the service does not know under which name it is reached. */
export const TYPE_PREFIX = "urn:problem-type:jobsvc:";

export interface ProblemParts {
  errors?: readonly FieldError[];
  headers?: Record<string, string>;
  /** Members beyond those of RFC 9457. */
  more?: Record<string, unknown>;
}

/** A refusal, thrown where it is known. `detail` is read by strangers: it never repeats what they sent. */
export class Problem extends Error {
  override name = "Problem";

  constructor(
    readonly kind: ProblemKind,
    readonly detail: string,
    readonly parts: ProblemParts = {},
  ) {
    super(detail);
  }

  get status(): number {
    return KINDS[this.kind].status;
  }
}

/** Something that was not foreseen. The log has all of it, the client nothing: it may hold SQL, a host or a secret. */
export function internal(headers: Record<string, string> = {}): Problem {
  return new Problem("internal", "it was logged under this request's id", { headers });
}

/** The answer of RFC 9457. `instance` is the request's id, by which the log finds it again. */
export function problemResponse(problem: Problem, requestId: string): Response {
  return new Response(JSON.stringify(problemBody(problem, requestId)), {
    status: problem.status,
    headers: { "content-type": "application/problem+json", ...problem.parts.headers },
  });
}

export function problemBody({ kind, detail, parts: { errors, more } }: Problem, requestId: string) {
  const { status, title } = KINDS[kind];
  return {
    type: TYPE_PREFIX + kind.replaceAll("_", "-"),
    title,
    status,
    detail,
    instance: requestId,
    ...(errors && { errors }),
    ...more,
  };
}

/** One body for all that is not there, be it an address, a job, or a job of somebody else. */
export function notFound(): Problem {
  return new Problem("not_found", "there is nothing at this address");
}

/** Every kind that answers this status. */
export function kindsOf(status: number): ProblemKind[] {
  return (Object.keys(KINDS) as ProblemKind[]).filter((kind) => KINDS[kind].status === status);
}

export function titleOf(kind: ProblemKind): string {
  return KINDS[kind].title;
}
