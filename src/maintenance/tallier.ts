import type { Database } from "../db/connect.ts";
import { addUpTallies } from "../queue/tally.ts";
import type { Task } from "./task.ts";

/** What piles up in between is read with every look at the numbers: some ten thousand rows at full speed. */
const EVERY_MS = 30_000;

/** Adds up the small sums that endings leave behind. */
export function tallier({ db }: { db: Database }): Task {
  return {
    name: "tallier",
    everyMs: EVERY_MS,
    async runOnce() {
      while (await addUpTallies(db));
    },
  };
}
