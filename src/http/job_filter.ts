import { type Static, Type } from "@sinclair/typebox";
import type { Principal } from "../access/principal.ts";
import { JOB_STATES } from "../job/states.ts";
import type { JobFilter } from "../queue/list.ts";
import { invalid } from "./field_errors.ts";
import { instantFaults } from "./instant.ts";
import { INSTANT_PATTERN, name, uuid, word } from "./schemas.ts";
import { isStorable, NOT_STORABLE } from "./storable.ts";

const time = (description: string) =>
  Type.String({ format: "date-time", pattern: INSTANT_PATTERN, description });

/** Which jobs are meant: those that fit everything that is said. In a query and in a body alike. */
export const FILTER = {
  state: Type.Optional(word(JOB_STATES, "Where the job is.")),
  resource_type: Type.Optional(name("The kind of the job.")),
  queue: Type.Optional(name("The queue of the job.")),
  user_id: Type.Optional(uuid("Whose job it is.")),
  tag: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "One of the job's tags." })),
  created_after: Type.Optional(time("Created at this time or later.")),
  created_before: Type.Optional(time("Created before this time.")),
};

const Filter = Type.Object(FILTER);

/** What a bound key asks for is its own user's, also when it names nobody. `at` is where the filter stands. */
export function jobFilter(asked: Static<typeof Filter>, { userId: boundTo }: Principal, at = ""): JobFilter {
  const faults = [
    ...instantFaults(asked.created_after ?? null, `${at}/created_after`),
    ...instantFaults(asked.created_before ?? null, `${at}/created_before`),
    ...(isStorable(asked.tag ?? "") ? [] : [{ pointer: `${at}/tag`, detail: NOT_STORABLE }]),
  ];
  if (faults.length > 0) throw invalid(faults);
  const userId = boundTo ?? asked.user_id;
  return {
    ...(asked.state !== undefined && { state: asked.state }),
    ...(asked.resource_type !== undefined && { kind: asked.resource_type }),
    ...(asked.queue !== undefined && { queue: asked.queue }),
    ...(userId !== undefined && { userId }),
    ...(asked.tag !== undefined && { tag: asked.tag }),
    ...(asked.created_after !== undefined && { createdAfter: new Date(asked.created_after) }),
    ...(asked.created_before !== undefined && { createdBefore: new Date(asked.created_before) }),
  };
}

/** A bound key that asks for another user's jobs is told, truly, that it has none. */
export function asksForOthers(asked: Static<typeof Filter>, { userId }: Principal): boolean {
  return userId !== null && asked.user_id !== undefined && asked.user_id.toLowerCase() !== userId;
}
