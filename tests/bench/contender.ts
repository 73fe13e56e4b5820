import type { BenchDatabase } from "./postgres.ts";

/** jobsvc or a rival, in one of its modes; or the floor, which is no queue at all. */
export interface Contender {
  name: string;
  /** How it is set up; rivals are measured in their fastest mode and as they come. */
  mode: string;
  version: string;
  /** What it is measured through, and what it keeps of jobs that are done. */
  through: string;
  /** Where it keeps its jobs. */
  store: "postgres" | "redis";
  /** What it can be asked to do. */
  tasks: readonly (keyof Tasks)[];
  /** Why it cannot be measured on this machine; undefined when it can. */
  missing(): Promise<string | undefined>;
  /** Makes it ready on an empty database of its own. */
  open(database: BenchDatabase): Promise<Session>;
}

export interface Insert {
  jobs: number;
  /** Due only after this time; at once when left out. */
  dueInMs?: number;
  /** How long each job will take; no time at all when left out. */
  jobMs?: number;
}

export interface Single {
  callers: number;
  seconds: number;
}

export interface Drain {
  /** To be done in all; so many must have been inserted. */
  jobs: number;
  jobMs?: number;
  /** Jobs at once; as the mode has it when left out. */
  slots?: number;
  /** Slow ones are cut short, and what they did until then counts. */
  limitMs: number;
}

/** So many jobs in so many seconds. */
export interface Done {
  jobs: number;
  seconds: number;
}

/** How many jobs were done in all at a moment. */
export interface Progress {
  ms: number;
  done: number;
}

export interface Steady {
  seconds: number;
  /** Called when it has begun, with the rest of the time to come. */
  onStarted?: () => void;
}

export interface Latency {
  samples: number;
  /** One that inserts and works, or one for each. */
  processes: 1 | 2;
  limitMs: number;
}

export interface Footprint {
  /** From the start of the process until it is ready to work. */
  startMs: number;
  idleMb: number;
  /** After so many jobs as were asked for. */
  busyMb: number;
}

/** What wrk needs to know. */
export interface Endpoints {
  url: string;
  /** The header of this name, where calls need one. */
  authorization?: string;
  create: { path: string; body: string };
  /** The path of a job that is there. */
  get: string;
}

export interface Tasks {
  /** Inserts many at once, and answers the seconds. */
  insert(insert: Insert): Promise<number>;
  /** Calls for one job each, committed before the answer; answers the milliseconds of each call too. */
  single(single: Single): Promise<Done & { p50: number; p99: number }>;
  /** Lets a worker loose on what was inserted. */
  drain(drain: Drain): Promise<Done>;
  /** Inserts and works at once, with so much of a backlog that nobody waits for the other. */
  steady(steady: Steady): Promise<Progress[]>;
  /** From the call that inserts a job until its handler starts, in milliseconds, of a system that is idle. */
  latency(latency: Latency): Promise<number[]>;
  /** How long a take of 500 jobs lasts, in milliseconds. */
  takes(count: number): Promise<number[]>;
  /** Many workers on many queues: statements per second while they idle, and how long so many jobs take. */
  crowd(crowd: { queues: number; workers: number; jobs: number }): Promise<Done & { idlePerSecond: number }>;
  endpoints(): Promise<Endpoints>;
  footprint(jobs: number): Promise<Footprint>;
}

/** One measurement of one contender, with the tasks that it lists. */
export interface Session extends Partial<Tasks> {
  close(): Promise<void>;
}
