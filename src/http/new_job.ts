import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import {
  type AskedJob,
  DEFAULT_MAX_RETRIES,
  DEFAULT_PRIORITY,
  DEFAULT_QUEUE,
  HIGHEST_PRIORITY,
  LOWEST_PRIORITY,
  MAX_RETRIES_LIMIT,
} from "../job/job.ts";
import { fieldErrors, invalid } from "./field_errors.ts";
import { instantFaults } from "./instant.ts";
import { memberText } from "./json_text.ts";
import type { Kind, Kinds } from "./kinds.ts";
import { metadataFaults } from "./metadata.ts";
import { payloadFaults, payloadText } from "./payload.ts";
import type { FieldError } from "./problem.ts";
import type { JsonBody } from "./request_body.ts";
import { INSTANT_PATTERN, name, nullable, open, uuid } from "./schemas.ts";
import { textFaults } from "./storable.ts";

const MIN_TIMEOUT_MS = 1_000;
const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1_000;
const MAX_TAGS = 20;
const MAX_TAG_CHARACTERS = 64;

export const NewJobBody = Type.Object(
  {
    user_id: uuid("Whose job it is."),
    resource_type: name("The kind of the job: what it does, and so who can do it.", {
      examples: ["ai_agent", "client_agent"],
    }),
    resource_id: uuid("What the job works with, for example an agent."),
    payload: Type.Unknown({
      description:
        "Any JSON value, as a text that holds it or as itself. Kept exactly as it is sent; at most 256 KiB and 64 levels.",
    }),
    priority: Type.Optional(
      Type.Integer({
        minimum: HIGHEST_PRIORITY,
        maximum: LOWEST_PRIORITY,
        default: DEFAULT_PRIORITY,
        description: "1 is taken first, 9 last.",
      }),
    ),
    scheduled_at: Type.Optional(
      nullable(
        Type.String({ format: "date-time", pattern: INSTANT_PATTERN }),
        "Not before this time. At once when it is past, null or left out.",
      ),
    ),
    max_retries: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_RETRIES_LIMIT,
        default: DEFAULT_MAX_RETRIES,
        description: "How often the job runs again after a failure.",
      }),
    ),
    queue: Type.Optional(name("The queue in which the job waits.", { default: DEFAULT_QUEUE })),
    timeout_ms: Type.Optional(
      Type.Integer({
        minimum: MIN_TIMEOUT_MS,
        maximum: MAX_TIMEOUT_MS,
        description: "How long one attempt may run.",
      }),
    ),
    tags: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: MAX_TAG_CHARACTERS }), {
        maxItems: MAX_TAGS,
        description: "Words to find the job by.",
      }),
    ),
    metadata: Type.Optional(open("What belongs to the job but not to its work. At most 16 KiB.")),
  },
  {
    $id: "NewJob",
    additionalProperties: false,
    description: "A job as it is asked for.",
    examples: [
      {
        user_id: "123e4567-e89b-12d3-a456-426614174000",
        resource_type: "ai_agent",
        resource_id: "456e7890-e89b-12d3-a456-426614174001",
        payload: '{"task": "process_data", "data": "example"}',
        priority: 1,
        scheduled_at: "2024-01-01T12:00:00Z",
        max_retries: 3,
      },
    ],
  },
);

type NewJobBody = Static<typeof NewJobBody>;

const schema = TypeCompiler.Compile(NewJobBody);

/** A job as it stands in a body. */
export interface SentJob {
  value: unknown;
  /** The characters of its payload; undefined where it has none. */
  payload: string | undefined;
}

/** Of a body that is one job. */
export function sentJob({ value, text }: JsonBody): SentJob {
  return { value, payload: memberText(text, "payload") };
}

/** Reads a job of a request's body, or throws the problem that names every field that is wrong. */
export function readNewJob({ value, payload: characters }: SentJob, kinds: Kinds): AskedJob {
  if (!schema.Check(value)) throw invalid(fieldErrors(schema.Errors(value)));
  const payload = payloadText(value.payload, characters);
  const faults: FieldError[] = [];
  // Of a batch, most jobs have none of these, and thousands of empty lists cost more than all else here.
  if (value.scheduled_at) faults.push(...instantFaults(value.scheduled_at, "/scheduled_at"));
  if (value.tags) faults.push(...textFaults(value.tags, "/tags"));
  if (value.metadata) faults.push(...metadataFaults(value.metadata, "/metadata"));
  const check = (parsed: unknown) => kinds.checkPayload(value.resource_type, parsed);
  faults.push(...payloadFaults(value.payload, payload, check));
  if (faults.length > 0) throw invalid(faults);
  return askedJob(value, payload, kinds.find(value.resource_type));
}

/** The same for all that have none, so that an insert sees at a glance that they are alike. */
const NO_TAGS: readonly string[] = [];
const NO_METADATA: Readonly<Record<string, unknown>> = {};

function askedJob(body: NewJobBody, payload: string, kind: Kind | undefined): AskedJob {
  return {
    kind: body.resource_type,
    queue: body.queue ?? kind?.queue ?? DEFAULT_QUEUE,
    priority: body.priority ?? DEFAULT_PRIORITY,
    userId: body.user_id,
    resourceId: body.resource_id,
    payload,
    maxAttempts:
      body.max_retries === undefined ? (kind?.maxAttempts ?? DEFAULT_MAX_RETRIES + 1) : body.max_retries + 1,
    scheduledAt: body.scheduled_at ? new Date(body.scheduled_at) : null,
    timeoutMs: body.timeout_ms ?? null,
    tags: body.tags ?? NO_TAGS,
    metadata: body.metadata ?? NO_METADATA,
  };
}
