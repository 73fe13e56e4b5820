import type { News, Reader } from "../queue/read_news.ts";
import { frame, HEARTBEAT_FRAME, RETRY_FRAME } from "./event_frames.ts";

/** Proxies close a connection that is silent for a minute, and our own server after half of that. */
const HEARTBEAT_EVERY_MS = 15_000;
/** A client that takes nothing for so long is gone, or means no good. */
const STALLED_MS = 60_000;
/** For so long a stream goes on whose key was revoked. */
const CHECK_EVERY_MS = 15_000;
/** From here on a stream is read no further until its client has taken something. */
const HIGH_WATER_BYTES = 64 * 1024;

export interface EventStreamParts {
  /** Where the client begins to read. */
  reader: Reader;
  /** Whether the client may still have it. */
  isAllowed: () => Promise<boolean>;
  /** A clock in milliseconds that never goes back. */
  now: () => number;
  /** The client has taken what it was sent, and there is more to be read. */
  onRoom: () => void;
  /** Called once, whoever ends it. */
  onEnd: () => void;
}

export interface EventStream {
  readonly body: ReadableStream<Uint8Array>;
  /** What the client has been sent. */
  readonly reader: Reader;
  /** True while the client takes what it is sent. */
  readonly hasRoom: boolean;
  /** Sends what is new, and ends when nothing more will come. */
  tell(news: News | undefined): void;
  /** Says that it is alive where there is nothing else to say, and ends what should not go on. */
  tend(): Promise<void>;
  end(): void;
}

const encoder = new TextEncoder();

/** One client's stream: a place in a job's story, and what has been sent and not been taken yet. */
export function eventStream({ reader, isAllowed, now, onRoom, onEnd }: EventStreamParts): EventStream {
  let place = reader;
  let sentMs = now();
  let checkedMs = now();
  let open = true;
  let behind = false;
  let controller!: ReadableStreamDefaultController<Uint8Array>;

  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      pull() {
        if (behind) onRoom();
        behind = false;
      },
      cancel: leave,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
  );
  // A first byte, without which the answer's head would be kept back as well.
  send(RETRY_FRAME);

  function send(text: string) {
    controller.enqueue(encoder.encode(text));
    sentMs = now();
  }

  function hasRoom(): boolean {
    return (controller.desiredSize ?? 0) > 0;
  }

  function leave() {
    if (open) onEnd();
    open = false;
  }

  function end() {
    if (open) controller.close();
    leave();
  }

  function breakOff() {
    if (open) controller.error(new Error("the client took nothing for too long"));
    leave();
  }

  return {
    body,
    get reader() {
      return place;
    },
    get hasRoom() {
      return hasRoom();
    },
    tell(news) {
      // The client may have left while this was being read.
      if (!open) return;
      const last = news?.steps.at(-1);
      if (news && last) {
        send(news.steps.map(frame).join(""));
        place = { ...place, attempt: last.attempt, step: last.step };
      }
      behind = news?.more ?? false;
      if (news === undefined || (news.ended && !news.more)) end();
    },
    async tend() {
      if (now() - checkedMs > CHECK_EVERY_MS) {
        checkedMs = now();
        if (!(await isAllowed())) return end();
      }
      if (!open) return;
      const silentMs = now() - sentMs;
      if (!hasRoom() && silentMs > STALLED_MS) breakOff();
      if (hasRoom() && silentMs > HEARTBEAT_EVERY_MS) send(HEARTBEAT_FRAME);
    },
    end,
  };
}
