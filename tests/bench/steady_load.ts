/** Jobs in one call: what an application has that inserts as its users act. */
export const STEADY_BATCH = 100;
/** Calls at the same time. */
export const STEADY_CALLS = 4;
/** Whoever inserts faster than is worked must not turn a steady state into a backlog. */
export const AHEAD = 20_000;
