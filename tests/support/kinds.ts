import type { Kinds } from "../../src/http/kinds.ts";

/** A process that asks nothing of any payload. */
export const NO_KINDS: Kinds = { kinds: [], find: () => undefined, checkPayload: () => [] };
