import type { Database } from "../db/connect.ts";
import type { TakenJob } from "../job/job.ts";
import { type Ask, takeJobs } from "../queue/take.ts";
import type { Taken } from "../queue/taken_row.ts";
import type { Holdings } from "./holdings.ts";

export interface TakesParts {
  db: Database;
  workerId: string;
  holdings: Holdings;
  failLost: readonly string[];
}

/** What a pool asks for, and what hears of each job at once: from then on the process holds it. */
export interface PoolAsk extends Omit<Ask, "suspects"> {
  hold(job: TakenJob): void;
}

interface Group {
  asks: PoolAsk[];
  taken: Promise<Taken[]>;
}

/** No lane may stand twice in a statement: what is asked of a queue while another take of it waits goes in the next. */
const isIn = ({ asks }: Group, { queue, kinds }: PoolAsk) =>
  asks.some((ask) => ask.queue === queue && ask.kinds.some((kind) => kinds.includes(kind)));

/**
 * Takes for all pools of a process: those who ask in the same moment, as they do when they are woken together, share a
 * statement. A thousand queues that have work cost one then, and no pool ever waits for the take of another.
 */
export function takes({ db, workerId, holdings, failLost }: TakesParts): (ask: PoolAsk) => Promise<Taken> {
  let group: Group | undefined;

  function newGroup(): Group {
    const asks: PoolAsk[] = [];
    return { asks, taken: send(asks) };
  }

  async function send(asks: readonly PoolAsk[]): Promise<Taken[]> {
    await undefined; // those who ask in the same moment go together
    if (group?.asks === asks) group = undefined;
    return await holdings.askForSuspect(async (suspects) => {
      // By chance, so that each gets its turn.
      const suspicious = suspects ? Math.floor(Math.random() * asks.length) : -1;
      const taken = await takeJobs(db, {
        workerId,
        asks: asks.map((ask, place) => ({ ...ask, suspects: place === suspicious })),
        failLost,
      });
      for (const [place, { jobs }] of taken.entries()) jobs.forEach(asks[place]!.hold);
      return taken;
    });
  }

  return async (ask) => {
    if (group === undefined || isIn(group, ask)) group = newGroup();
    const place = group.asks.push(ask) - 1;
    const taken = await group.taken;
    return taken[place]!;
  };
}
