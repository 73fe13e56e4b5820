import type { TSchema } from "@sinclair/typebox";
import type { FieldError } from "./problem.ts";

/** A kind of job, as the door sees it. */
export interface Kind {
  kind: string;
  payload: TSchema;
  /** For the jobs that name none. */
  queue?: string;
  /** Likewise; the first try is one of them. */
  maxAttempts?: number;
}

/** The kinds that this process knows. Jobs of all others are taken in, too: a worker that knows them will judge them. */
export interface Kinds {
  kinds: readonly string[];
  find(kind: string): Kind | undefined;
  /** What a kind finds wrong with a payload; pointers start at the payload. Nothing for a kind that is not known here. */
  checkPayload(kind: string, payload: unknown): FieldError[];
}
