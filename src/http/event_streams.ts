import type { Database } from "../db/connect.ts";
import { loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import { type Reader, readNews } from "../queue/read_news.ts";
import { type EventStream, eventStream } from "./event_stream.ts";
import { Problem } from "./problem.ts";

export interface EventStreams extends Service {
  /** How many are open. */
  readonly size: number;
  /**
   * The job's events behind the reader's place, until it has ended or the reader may not have them any more. Undefined
   * when there is no such job; null when it has ended and the reader knows. Throws when this process serves as many
   * as it can.
   */
  open(
    reader: Reader,
    isAllowed: () => Promise<boolean>,
  ): Promise<ReadableStream<Uint8Array> | null | undefined>;
  /** Looks now, not at the next poll. */
  wake(): void;
}

export interface EventStreamsParts {
  db: Database;
  emit: Emit;
  /** A clock in milliseconds that never goes back. */
  now?: () => number;
}

/** What a person takes for at once. There is one statement for many streams, so their number does not matter much. */
const LOOK_EVERY_MS = 250;
/** Nobody watches: the next one wakes the loop. */
const IDLE_MS = 60_000;
/** Streams of one process: each holds a connection, and what its client has not taken yet. */
export const MAX_STREAMS = 1_000;
/** One statement's worth of readers. */
const READERS_AT_ONCE = 200;
/** After which a client that found no room may try again. */
const RETRY_AFTER_S = 5;

/**
 * Streams of jobs' events to whoever watches, wherever the jobs run: what is read is rows, and a stream is a place in
 * them. So it goes on at any other process, and this one may end its streams whenever it has to.
 */
export function eventStreams({ db, emit, now = () => performance.now() }: EventStreamsParts): EventStreams {
  const streams = new Set<EventStream>();
  let opening = 0;
  let stopped = false;

  const looking = loop("event streams", look, (error) =>
    emit("step.failed", { step: "event streams", error }),
  );

  async function look(): Promise<number> {
    if (streams.size === 0) return IDLE_MS;
    await Promise.all([...streams].map((stream) => stream.tend()));
    const taking = [...streams].filter((stream) => stream.hasRoom);
    let more = false;
    for (let at = 0; at < taking.length; at += READERS_AT_ONCE)
      if (await tellNews(taking.slice(at, at + READERS_AT_ONCE))) more = true;
    return more ? 0 : LOOK_EVERY_MS;
  }

  /** Answers whether there is more to be read at once. */
  async function tellNews(some: readonly EventStream[]): Promise<boolean> {
    const news = await readNews(
      db,
      some.map((stream) => stream.reader),
    );
    for (const [index, stream] of some.entries()) stream.tell(news[index]);
    return news.some((one) => one?.more);
  }

  return {
    name: "event streams",
    get size() {
      return streams.size;
    },
    async open(reader, isAllowed) {
      if (stopped || streams.size + opening >= MAX_STREAMS) throw noRoom();
      opening++;
      try {
        const [news] = await readNews(db, [reader]);
        if (news === undefined) return undefined;
        if (news.ended && news.steps.length === 0) return null;
        if (stopped) throw noRoom();
        const stream = eventStream({
          reader,
          isAllowed,
          now,
          onRoom: () => looking.wake(),
          onEnd: () => streams.delete(stream),
        });
        streams.add(stream);
        stream.tell(news);
        looking.wake();
        return stream.body;
      } finally {
        opening--;
      }
    },
    wake: () => looking.wake(),
    start: () => looking.start(),
    async stop() {
      stopped = true;
      await looking.stop();
      for (const stream of streams) stream.end();
    },
  };
}

function noRoom(): Problem {
  const headers = { "retry-after": String(RETRY_AFTER_S) };
  return new Problem("unavailable", "no more streams of events can be served here", { headers });
}
