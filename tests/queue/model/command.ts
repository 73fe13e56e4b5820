import type fc from "fast-check";
import type { Database } from "../../../src/db/connect.ts";
import { compare } from "./compare.ts";
import type { Model, ModelJob, ModelWorker } from "./model.ts";

/** Something that happens to the queue, done both to the model and to the database. */
export interface Happening<Picks> {
  name: string;
  /** Whether it can happen now; true when it says nothing. */
  canHappen?(model: Model, picks: Picks): boolean;
  /** Does it to both, and expects the database to answer what the model says. */
  happen(model: Model, db: Database, picks: Picks): Promise<void>;
}

export type Command = fc.AsyncCommand<Model, Database>;

/** The happening with what was drawn for it, as fast-check wants it; afterwards model and tables are compared. */
export function command<Picks>(happening: Happening<Picks>, picks: Picks): Command {
  return {
    check: (model) => happening.canHappen?.(model, picks) ?? true,
    async run(model, db) {
      await happening.happen(model, db, picks);
      await compare(db, model);
    },
    toString: () => `${happening.name} ${JSON.stringify(picks)}`,
  };
}

/** Draws are plain numbers, so that a counterexample stays one while it is made smaller. */
export function pickWorker(model: Model, { worker }: { worker: number }): ModelWorker {
  return model.workers[worker % model.workers.length]!;
}

/** One that believes to hold something, if there is any. */
export function pickHolder(model: Model, { worker }: { worker: number }): ModelWorker {
  const holders = model.workers.filter(({ memory }) => memory.length > 0);
  return holders[worker % holders.length] ?? pickWorker(model, { worker });
}

export function pickJob(model: Model, { job }: { job: number }): ModelJob {
  return model.jobs[job % model.jobs.length]!;
}

/** Mostly one that has ended, if there is any. */
export function pickFinal(model: Model, { job }: { job: number }): ModelJob {
  const final = model.jobs.filter((job) => job.final);
  return final.length > 0 && job % 4 > 0 ? final[job % final.length]! : pickJob(model, { job });
}

/** A subset by the bits of a number; everything when that would be nothing. */
export function pickSome<T>(all: readonly T[], bits: number): T[] {
  const some = all.filter((_, place) => bits & (1 << (place % 16)));
  return some.length > 0 ? some : [...all];
}
