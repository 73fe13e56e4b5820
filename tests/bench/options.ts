import { parseArgs } from "node:util";
import type { Contender } from "./contender.ts";
import { engine } from "./contenders/engine.ts";
import { floor } from "./contenders/floor.ts";
import { jobsvc } from "./contenders/jobsvc.ts";
import { RIVALS } from "./contenders/rivals.ts";
import type { Scale, Work } from "./work.ts";
import { WORKS } from "./works.ts";

export interface Options {
  works: readonly Work[];
  contenders: readonly Contender[];
  rounds: number;
  scale: Scale;
  /** Where the figures go as JSON. */
  out: string | undefined;
}

/** jobsvc first: the others are compared with it. */
const CONTENDERS: readonly Contender[] = [jobsvc, engine, ...RIVALS, floor];

/** A quick look, of about twenty minutes. What is published takes `--rounds 3 --jobs 200000 --seconds 60 …`. */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      work: { type: "string" },
      contenders: { type: "string" },
      rounds: { type: "string", default: "1" },
      jobs: { type: "string", default: "50000" },
      seconds: { type: "string", default: "5" },
      "hold-seconds": { type: "string", default: "30" },
      backlog: { type: "string", default: "10000,300000" },
      future: { type: "string", default: "300000" },
      queues: { type: "string", default: "1000" },
      workers: { type: "string", default: "50" },
      samples: { type: "string", default: "200" },
      "limit-seconds": { type: "string", default: "10" },
      out: { type: "string" },
    },
  });
  return {
    works: chosen(WORKS, values.work),
    contenders: chosen(CONTENDERS, values.contenders),
    rounds: Number(values.rounds),
    scale: {
      jobs: Number(values.jobs),
      seconds: Number(values.seconds),
      holdSeconds: Number(values["hold-seconds"]),
      backlog: values.backlog.split(",").map(Number),
      future: Number(values.future),
      queues: Number(values.queues),
      workers: Number(values.workers),
      samples: Number(values.samples),
      limitSeconds: Number(values["limit-seconds"]),
    },
    out: values.out,
  };
}

/** Those of these names, separated by commas; all when none is named. */
function chosen<Named extends { name: string }>(all: readonly Named[], names: string | undefined): Named[] {
  if (names === undefined) return [...all];
  const wanted = names.split(",");
  const unknown = wanted.filter((name) => !all.some((one) => one.name === name));
  if (unknown.length > 0)
    throw new Error(
      `${unknown.join(", ")}? There are ${[...new Set(all.map(({ name }) => name))].join(", ")}`,
    );
  return all.filter(({ name }) => wanted.includes(name));
}
