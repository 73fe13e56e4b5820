import type { Reporter } from "../../src/handlers/define.ts";

/** Takes what a handler tells and forgets it. */
export const SILENT: Reporter = { progress: () => {}, log: () => {}, emit: () => {} };
