import type { Work } from "../work.ts";

/** From a checkpoint on, whole pages included: what a replica gets and an archive keeps. */
export const wal: Work = {
  name: "wal",
  title: ({ jobs }) =>
    `Bytes: what ${jobs} jobs of a payload of 100 bytes, inserted in bulk and drained, leave behind`,
  columns: () => [
    { key: "inserted", title: "WAL, inserted, bytes a job", better: "less" },
    { key: "whole", title: "WAL, inserted and done", better: "less" },
    { key: "growth", title: "growth of the database", better: "less" },
  ],
  tasks: ["insert", "drain"],
  suits: ({ mode, store }) => mode !== "default" && store === "postgres",
  async measure(session, database, { jobs, limitSeconds }) {
    await database.sql.unsafe("checkpoint");
    const [walBefore, sizeBefore] = [await database.walBytes(), await database.sizeBytes()];
    await session.insert({ jobs });
    const inserted = ((await database.walBytes()) - walBefore) / jobs;
    const beforeDrain = await database.walBytes();
    const done = await session.drain({ jobs, limitMs: limitSeconds * 1_000 });
    const drained = ((await database.walBytes()) - beforeDrain) / done.jobs;
    const growth = ((await database.sizeBytes()) - sizeBefore) / jobs;
    return { inserted, whole: inserted + drained, growth };
  },
};
