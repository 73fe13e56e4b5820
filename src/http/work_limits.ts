import type { Principal } from "../access/principal.ts";
import type { HeldJob } from "../queue/held.ts";
import { pointer } from "./pointer.ts";
import { type FieldError, Problem } from "./problem.ts";

// A key may be limited to queues and kinds. Whoever bears one within the limits may act on any job there: several
// machines of one team share a key, and one of them may end what another has taken.

/** Throws the problem that names each queue and kind which this key may not take. */
export function refuseOutside(
  { takes }: Principal,
  queues: readonly string[],
  kinds: readonly string[],
): void {
  const errors = [
    ...outside("queues", "queue", queues, takes.queues),
    ...outside("kinds", "kind", kinds, takes.kinds),
  ];
  if (errors.length === 0) return;
  throw new Problem("forbidden", "this API key may not take all of that", { errors });
}

function outside(
  member: string,
  what: string,
  asked: readonly string[],
  allowed: readonly string[] | null,
): FieldError[] {
  return asked.flatMap((name, place) =>
    allowed === null || allowed.includes(name)
      ? []
      : [
          {
            pointer: pointer(member, place),
            detail: `is not a ${what} of this API key: ${allowed.join(", ")}`,
          },
        ],
  );
}

/** Whether a job is one that this key may take, and so act on. */
export function isWithin({ takes }: Principal, { queue, kind }: Pick<HeldJob, "queue" | "kind">): boolean {
  return (takes.queues?.includes(queue) ?? true) && (takes.kinds?.includes(kind) ?? true);
}
