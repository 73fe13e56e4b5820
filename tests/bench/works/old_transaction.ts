import { openSingle } from "../../../src/db/connect.ts";
import type { Work } from "../work.ts";
import { ratePerSecond } from "./steady.ts";

const WARM_UP = 0.2;
const LAST_THIRD = 2 / 3;

/** Postgres keeps everything that somebody could still see; takers wade through it, if they are not careful. */
export const oldTransaction: Work = {
  name: "old-transaction",
  title: ({ seconds, holdSeconds }) =>
    `Old transaction: steady state for ${seconds} s, and then for ${holdSeconds} s while a transaction is held open`,
  columns: () => [
    { key: "before", title: "without, jobs/s", better: "more" },
    { key: "after", title: "with, in the last third, jobs/s", better: "more" },
    { key: "kept", title: "kept, %", better: "more" },
  ],
  tasks: ["steady"],
  suits: ({ mode, store }) => mode !== "default" && store === "postgres",
  async measure(session, { url }, { seconds, holdSeconds }) {
    const before = ratePerSecond(await session.steady({ seconds }), WARM_UP);
    const old = openSingle(url, "jobsvc bench: an old transaction");
    await old.unsafe("begin isolation level repeatable read; select txid_current()");
    const after = ratePerSecond(await session.steady({ seconds: holdSeconds }), LAST_THIRD);
    await old.unsafe("rollback");
    await old.end();
    return { before, after, kept: (after / before) * 100 };
  },
};
