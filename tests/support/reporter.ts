import type { Report } from "../../src/worker/reports.ts";

/** Takes what a handler tells and forgets it. */
export const SILENT: Omit<Report, "close"> = {
  progress: () => {},
  log: () => {},
  emit: () => {},
  tell: () => {},
  miss: () => {},
};
