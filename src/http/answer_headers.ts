/** What is known of an answer when it is described. */
export interface AnswerFacts {
  status: number;
  /** Whether the operation asks for a scope, and so for a key. */
  scoped: boolean;
  /** The name of the schema of its body; empty where it has none. */
  schema: string;
  /** The parameters that the operation takes. */
  parameters: ReadonlySet<string>;
}

interface AnswerHeader {
  description: string;
  example: string;
  on(answer: AnswerFacts): boolean;
}

/** Answered before a call is counted. */
const UNCOUNTED = [401, 403];

const isCounted = ({ status, scoped }: AnswerFacts) => scoped && !UNCOUNTED.includes(status);
const mayBeRepeated = ({ parameters }: AnswerFacts) => parameters.has("Idempotency-Key");

/** The headers of answers, and which answers may have them. */
const HEADERS: Record<string, AnswerHeader> = {
  "X-Request-Id": {
    description: "The id of the request, given or made: the log knows it under this name.",
    example: "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77",
    on: () => true,
  },
  Location: {
    description: "Where to read the job.",
    example: "/api/jobs/0198c8e2-6a10-7d52-8f3c-51d2a0b4c6e8",
    on: ({ status, schema }) => status === 201 && ["CreatedJob", "Job"].includes(schema),
  },
  ETag: {
    description: "Changes with the job; for `If-None-Match`.",
    example: '"mEPFQJpTfbVIvOdDQ-bGkZ2DPzCaFfb1WQ0vV3nMnVQ"',
    on: ({ status, schema }) => schema === "Job" || status === 304,
  },
  "Idempotency-Replayed": {
    description: "`true` where an earlier request with the same Idempotency-Key did the work.",
    example: "true",
    on: (answer) => answer.status === 201 && mayBeRepeated(answer),
  },
  "Preference-Applied": {
    description: "The wait that was asked for by `Prefer`, as it was heeded.",
    example: "wait=30",
    on: ({ status, parameters }) => status < 300 && parameters.has("Prefer"),
  },
  "Accept-Encoding": {
    description: "Where the body came compressed: that it may not.",
    example: "identity",
    on: ({ status }) => status === 415,
  },
  "WWW-Authenticate": {
    description: "How to send a key.",
    example: 'Bearer realm="jobsvc"',
    on: ({ status }) => status === 401,
  },
  "Retry-After": {
    description: "Seconds after which to try again, where that will help.",
    example: "2",
    on: (answer) => [429, 503].includes(answer.status) || (answer.status === 409 && mayBeRepeated(answer)),
  },
  "RateLimit-Policy": {
    description: "How many calls a key has in how many seconds.",
    example: '"read";q=60000;w=60',
    on: isCounted,
  },
  RateLimit: {
    description: "How many of them are left, and in how many seconds there is one more.",
    example: '"read";r=59999;t=1',
    on: isCounted,
  },
};

/** For the components of the document. */
export function headerComponents() {
  return Object.fromEntries(
    Object.entries(HEADERS).map(([name, { description, example }]) => [
      name,
      { description, schema: { type: "string" }, example },
    ]),
  );
}

/** For one answer: references to those. */
export function headersOf(answer: AnswerFacts) {
  return Object.fromEntries(
    Object.entries(HEADERS)
      .filter(([, header]) => header.on(answer))
      .map(([name]) => [name, { $ref: `#/components/headers/${name}` }]),
  );
}
