import type { Database } from "../db/connect.ts";
import { isUnavailable } from "../db/deadline.ts";
import { loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import { type Line, reportLines } from "../queue/report.ts";

/** One statement's worth, in lines and in bytes. */
const GROUP_LINES = 500;
const GROUP_BYTES = 1024 * 1024;
/** How long the first line waits for company: who watches a stream does not notice it. */
const FLUSH_DELAY_MS = 25;
/** While the database is away lines pile up; from here on they are dropped, for no job waits for its own log. */
const MAX_WAITING_LINES = 20_000;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Rest of a buffer in which nothing waits: the next line wakes it. */
const IDLE_MS = 60_000;

/** Who told a line, and hears what became of it. */
export interface Teller {
  /** Its attempt has ended here, and the ending waits for the lines. */
  readonly closed: boolean;
  settled(written: boolean): void;
}

export interface LineBuffer extends Service {
  /** So much waits that no more is taken. */
  readonly full: boolean;
  add(line: Line, bytes: number, teller: Teller): void;
  /** Writes all that waits without delay. */
  hurry(): void;
}

export interface LineBufferParts {
  db: Database;
  workerId: string;
  emit: Emit;
  /** Whoever watches may look now. */
  onWritten?: (() => void) | undefined;
}

interface Waiting extends Line {
  bytes: number;
  teller: Teller;
}

/** Writes lines in groups, one group after the other, so that nobody sees a line before an earlier one. */
export function lineBuffer({ db, workerId, emit, onWritten }: LineBufferParts): LineBuffer {
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let waitingSinceMs = 0;
  /** So many, from the first on, are to be written without delay. */
  let hurried = 0;

  const flushing = loop("reports", step, (error) => emit("step.failed", { step: "reports", error }));

  async function step(): Promise<number> {
    if (waiting.length === 0) return IDLE_MS;
    const waitedMs = performance.now() - waitingSinceMs;
    if (hurried === 0 && waiting.length < GROUP_LINES && waitedMs < FLUSH_DELAY_MS)
      return FLUSH_DELAY_MS - waitedMs;
    await flush();
    return 0;
  }

  async function flush() {
    const group = firstGroup();
    const unwritable = new Set<Waiting>();
    try {
      await write(group, unwritable);
    } catch (error) {
      giveUp();
      throw error;
    }
    keep(waiting.slice(group.length));
    hurried = Math.max(0, hurried - group.length);
    for (const line of group) line.teller.settled(!unwritable.has(line));
    onWritten?.();
  }

  function firstGroup(): Waiting[] {
    let bytes = 0;
    const end = waiting.findIndex((line, place) => {
      bytes += line.bytes;
      return place > 0 && (place === GROUP_LINES || bytes > GROUP_BYTES);
    });
    return end === -1 ? [...waiting] : waiting.slice(0, end);
  }

  /** Should the database refuse a line, halves are tried until that one stands alone. */
  async function write(group: readonly Waiting[], unwritable: Set<Waiting>) {
    try {
      const refused = await reportLines(db, group);
      if (refused > 0) emit("reports.refused", { worker_id: workerId, lines: refused });
    } catch (error) {
      if (isUnavailable(error)) throw error;
      const [culprit] = group;
      if (group.length === 1 && culprit) return void unwritable.add(culprit);
      const half = Math.ceil(group.length / 2);
      await write(group.slice(0, half), unwritable);
      await write(group.slice(half), unwritable);
    }
  }

  /** An ending waits for its lines no longer than for one deadline; the lines of attempts that go on are tried again. */
  function giveUp() {
    const given = waiting.filter(({ teller }) => teller.closed);
    keep(waiting.filter(({ teller }) => !teller.closed));
    hurried = 0;
    for (const { teller } of given) teller.settled(false);
  }

  function keep(lines: Waiting[]) {
    waiting = lines;
    waitingBytes = lines.reduce((sum, line) => sum + line.bytes, 0);
    waitingSinceMs = performance.now();
  }

  return {
    name: "reports",
    get full() {
      return waiting.length >= MAX_WAITING_LINES || waitingBytes >= MAX_WAITING_BYTES;
    },
    add(line, bytes, teller) {
      waiting.push({ ...line, bytes, teller });
      waitingBytes += bytes;
      if (waiting.length === 1) waitingSinceMs = performance.now();
      if (waiting.length === 1 || waiting.length === GROUP_LINES) flushing.wake();
    },
    hurry() {
      hurried = waiting.length;
      flushing.wake();
    },
    start: () => flushing.start(),
    async stop() {
      await flushing.stop();
      while (waiting.length > 0) await flush();
    },
  };
}
