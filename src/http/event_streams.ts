import type { Database } from "../db/connect.ts";
import { loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import { type News, type Reader, readNews } from "../queue/read_news.ts";
import { frame, HEARTBEAT_FRAME, RETRY_FRAME } from "./event_frames.ts";
import { Problem } from "./problem.ts";

export interface EventStreams extends Service {
  /** How many are open. */
  readonly size: number;
  /**
   * The job's events after the reader's place, until it has ended. Undefined when there is no such job; null when
   * it has ended and the reader knows. Throws when this process serves as many as it can.
   */
  open(reader: Reader): Promise<ReadableStream<Uint8Array> | null | undefined>;
  /** Looks now, not at the next poll. */
  wake(): void;
}

/** What a person takes for at once. One statement for all streams, so their number does not matter much. */
const LOOK_EVERY_MS = 250;
/** Nobody watches: the next one wakes the loop. */
const IDLE_MS = 60_000;
/** Proxies close a connection that is silent for a minute, and our own server after half of that. */
const HEARTBEAT_EVERY_MS = 15_000;
/** A client that takes nothing for so long is gone, or means no good. */
const STALLED_MS = 60_000;
/** Streams of one process: each holds a connection, and what its client has not taken yet. */
const MAX_STREAMS = 1_000;
/** One statement's worth of readers. */
const READERS_AT_ONCE = 200;
/** From here on a stream is read no further until its client has taken something. */
const HIGH_WATER_BYTES = 64 * 1024;
/** After which a client may try again that found no room. */
const RETRY_AFTER_S = 5;

interface Stream {
  reader: Reader;
  controller: ReadableStreamDefaultController<Uint8Array>;
  /** When something was sent last. */
  sentMs: number;
}

/**
 * Streams of jobs' events to whoever watches, wherever the jobs run: what is read is rows, and a stream is nothing but
 * a place in them. So it goes on at any other process, and a process may end its streams whenever it likes.
 */
export function eventStreams(db: Database, emit: Emit): EventStreams {
  const streams = new Set<Stream>();
  let opening = 0;
  let stopped = false;
  const encoder = new TextEncoder();

  const looking = loop("event streams", look, (error) =>
    emit("step.failed", { step: "event streams", error }),
  );

  async function look(): Promise<number> {
    if (streams.size === 0) return IDLE_MS;
    for (const stream of streams) keepAlive(stream);
    const taking = [...streams].filter(hasRoom);
    let more = false;
    for (let at = 0; at < taking.length; at += READERS_AT_ONCE)
      if (await lookFor(taking.slice(at, at + READERS_AT_ONCE))) more = true;
    return more ? 0 : LOOK_EVERY_MS;
  }

  /** Answers whether there is more to be read at once. */
  async function lookFor(some: readonly Stream[]): Promise<boolean> {
    const news = await readNews(
      db,
      some.map((stream) => stream.reader),
    );
    for (const [index, stream] of some.entries()) tell(stream, news[index]);
    return news.some((one) => one?.more);
  }

  function tell(stream: Stream, news: News | undefined) {
    // Its client went away while we read.
    if (!streams.has(stream)) return;
    if (news === undefined) return end(stream);
    const last = news.steps.at(-1);
    if (last) {
      send(stream, news.steps.map(frame).join(""));
      stream.reader = { ...stream.reader, attempt: last.attempt, step: last.step };
    }
    if (news.ended && !news.more) end(stream);
  }

  function send(stream: Stream, text: string) {
    stream.controller.enqueue(encoder.encode(text));
    stream.sentMs = performance.now();
  }

  function keepAlive(stream: Stream) {
    const silentMs = performance.now() - stream.sentMs;
    if (!hasRoom(stream) && silentMs > STALLED_MS) return breakOff(stream);
    if (hasRoom(stream) && silentMs > HEARTBEAT_EVERY_MS) send(stream, HEARTBEAT_FRAME);
  }

  function end(stream: Stream) {
    streams.delete(stream);
    stream.controller.close();
  }

  function breakOff(stream: Stream) {
    streams.delete(stream);
    stream.controller.error(new Error("the client took nothing for too long"));
  }

  function streamOf(reader: Reader, news: News): ReadableStream<Uint8Array> {
    let stream: Stream;
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          stream = { reader, controller, sentMs: performance.now() };
          streams.add(stream);
          send(stream, RETRY_FRAME);
          tell(stream, news);
          looking.wake();
        },
        cancel: () => void streams.delete(stream),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
    );
  }

  return {
    name: "event streams",
    get size() {
      return streams.size;
    },
    async open(reader) {
      if (stopped || streams.size + opening >= MAX_STREAMS) throw tooMany();
      opening++;
      try {
        const [news] = await readNews(db, [reader]);
        if (news === undefined) return undefined;
        if (news.ended && news.steps.length === 0) return null;
        if (stopped) throw tooMany();
        return streamOf(reader, news);
      } finally {
        opening--;
      }
    },
    wake: () => looking.wake(),
    start: () => looking.start(),
    async stop() {
      stopped = true;
      await looking.stop();
      for (const stream of streams) end(stream);
    },
  };
}

/** True while the client takes what it is sent. */
function hasRoom({ controller }: Stream): boolean {
  return (controller.desiredSize ?? 0) > 0;
}

function tooMany(): Problem {
  const headers = { "retry-after": String(RETRY_AFTER_S) };
  return new Problem("unavailable", "no more streams of events can be served here", { headers });
}
