import { chmodSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "../../src/db/migrate.ts";
import { type Link, openLink } from "../support/link.ts";
import { type Books, readBooks, readLeft } from "./books.ts";
import type { Finding } from "./checker.ts";
import { type Client, openClient } from "./client.ts";
import { type Fleet, openFleet } from "./fleet.ts";
import { newPgBouncer } from "./pgbouncer.ts";
import { newPostgres, type Postgres } from "./postgres.ts";
import { type Dice, dice } from "./random.ts";
import { openReceiver, type Receiver } from "./receiver.ts";
import type { WorldOptions } from "./scenario.ts";

export type Phase = "before" | "during" | "after";

/** Everything that a scenario has in its hands. */
export interface World extends AsyncDisposable {
  directory: string;
  postgres: Postgres;
  /** Between the service and the database, where the scenario asked for it. */
  link: Link;
  fleet: Fleet;
  receiver: Receiver;
  client: Client;
  dice: Dice;
  ttlMs: number;
  slots: number;
  /** Jobs a second under load. */
  rate: number;
  /** So many of `whole`, by the dose, and at least `least`. */
  amount(whole: number, least?: number): number;
  /** So much of `whole` seconds, by the dose, in milliseconds. */
  seconds(whole: number, least?: number): number;
  wait(ms: number): Promise<void>;
  /** Remembers when it was, for the throughput. */
  phase(name: Phase, work: () => Promise<void>): Promise<void>;
  /** A fault is over. */
  healed(): void;
  /** To be done when the world ends, before anything else. */
  defer(work: () => Promise<void>): void;
  /** From now on this server is the database. */
  failOver(to: Postgres): void;
  /** Something that must not be, and that no account would show. */
  find(invariant: string, what: string): void;
  /** What this scenario wants to have said in the table. */
  note(text: string): void;
  /** Jobs with these labels end otherwise than completed. */
  endsAs(label: string, states: readonly string[]): void;
  /** Blocks that wait, and leases that run. */
  left(): Promise<Books["left"]>;
  /** Waits until nothing waits or runs any more. */
  settle(patienceMs?: number): Promise<void>;
  books(): Promise<Books>;
  observed: Observed;
}

export interface Observed {
  phases: Partial<Record<Phase, { fromMs: number; toMs: number }>>;
  healedMs: number[];
  findings: Finding[];
  notes: string[];
  expected: Map<string, readonly string[]>;
}

export interface WorldParts {
  executable: string;
  seed: number;
  /** 1 is the whole dose. */
  dose: number;
  options: WorldOptions;
}

/** With less than the whole dose the lease is short too, or every scenario would wait for it. */
const SHORT_TTL_MS = 3_000;
const WHOLE_TTL_MS = 15_000;
const RATE = 50;
const WHOLE_RATE = 200;
const SETTLE_PATIENCE_MS = 120_000;

export async function openWorld({ executable, seed, dose, options }: WorldParts): Promise<World> {
  const { apis = 2, workers = 3, slots = 20, through = "directly" } = options;
  const ttlMs = options.ttlMs ?? (dose < 1 ? SHORT_TTL_MS : WHOLE_TTL_MS);
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "jobsvc-chaos-"));
  chmodSync(directory, 0o755);
  stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  let database = await newPostgres({
    dataDir: join(directory, "postgres"),
    ...(options.postgres && { settings: options.postgres }),
  });
  const first = database;
  stack.defer(() => first.stop("immediate"));
  const bouncer = through === "pgbouncer" ? await newPgBouncer({ directory, port: first.port }) : undefined;
  if (bouncer) stack.defer(bouncer.stop);
  const link = await openLink({ port: bouncer?.port ?? first.port });
  stack.defer(link.close);
  await migrate(first.url());

  const random = dice(seed);
  const receiver = await openReceiver();
  stack.defer(receiver.close);
  const fleet = openFleet({
    executable,
    directory,
    databaseUrl: () => database.url(through === "directly" ? undefined : link.port),
    ttlMs,
    slots,
    // Of those that take the place of others, too.
    args: through === "pgbouncer" ? ["--no-database-prepare"] : [],
  });
  stack.defer(fleet.kill);
  const urls = () => fleet.living("api").map(({ url }) => url);
  const client = openClient({ urls, receiverUrl: receiver.url, dice: random });
  await Promise.all([
    ...Array.from({ length: apis }, () => fleet.startApi(options.api)),
    ...Array.from({ length: workers }, () => fleet.startWorker(options.worker)),
  ]);

  const observed: Observed = {
    phases: {},
    healedMs: [],
    findings: [],
    notes: [],
    expected: new Map(),
  };
  const owned = stack.move();
  return {
    directory,
    get postgres() {
      return database;
    },
    link,
    fleet,
    receiver,
    client,
    dice: random,
    ttlMs,
    slots,
    rate: dose < 1 ? RATE : WHOLE_RATE,
    amount: (whole, least = 1) => Math.max(least, Math.round(whole * dose)),
    seconds: (whole, least = 3) => Math.max(least, whole * dose) * 1_000,
    wait: Bun.sleep,
    async phase(name, work) {
      const fromMs = Date.now();
      await work();
      observed.phases[name] = { fromMs, toMs: Date.now() };
    },
    healed() {
      observed.healedMs.push(Date.now());
    },
    defer: (work) => owned.defer(work),
    failOver(to) {
      owned.defer(() => to.stop("immediate"));
      database = to;
      link.redirect({ port: to.port });
    },
    find: (invariant, what) => void observed.findings.push({ invariant, what }),
    note: (text) => void observed.notes.push(text),
    endsAs: (label, states) => void observed.expected.set(label, states),
    left: () => readLeft(database),
    async settle(patienceMs = SETTLE_PATIENCE_MS) {
      const until = Date.now() + patienceMs;
      // Whoever waits too long is told by the checker, which sees what is left.
      while (Date.now() < until) {
        const { waiting, running } = await readLeft(database);
        if (waiting === 0 && running === 0) return;
        await Bun.sleep(100);
      }
    },
    books: () =>
      readBooks({ submissions: client.submissions, calls: receiver.calls, postgres: database, fleet }),
    observed,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
