import type { Database } from "../db/connect.ts";
import { loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import {
  announcedWork,
  ENDED_CHANNEL,
  type EndedAttempt,
  endedAttempt,
  WORK_CHANNEL,
} from "../queue/channels.ts";

export interface WakeupsParts {
  db: Database;
  workerId: string;
  emit: Emit;
  /** A queue has work; some of it may have been committed late, and be due since then. */
  onWork: (queue: string, sinceMs?: number) => void;
  onEnded: (attempt: EndedAttempt) => void;
  /** Anything may have been missed: look everywhere. */
  onGap: () => void;
}

export interface Wakeups extends Service {
  /** False while notifications do not arrive, as behind a pooler in transaction mode; polling goes on. */
  readonly arriving: boolean;
}

/** A pooler lets LISTEN succeed and delivers nothing, and a half-open connection is silent: so we write to ourselves. */
const SELF_TEST_EVERY_MS = 30_000;
const SELF_TEST_PATIENCE_MS = 3_000;

/** Hears of new work, and of attempts that somebody else has ended. A hint only: polling and beats are the truth. */
export function wakeups({ db, workerId, emit, onWork, onEnded, onGap }: WakeupsParts): Wakeups {
  const selfChannel = `jobsvc_self_${workerId.replaceAll("-", "")}`;
  let arriving = false;
  let subscribed: Promise<void> | undefined;
  let heard = () => {};

  const testing = loop("notification self-test", selfTest, (error) => {
    emit("step.failed", { step: "notification self-test", error });
  });

  async function selfTest(): Promise<number> {
    const arrival = Promise.withResolvers<boolean>();
    heard = () => arrival.resolve(true);
    await db.run((sql) => sql`select pg_notify(${selfChannel}, '')`);
    const patience = setTimeout(() => arrival.resolve(false), SELF_TEST_PATIENCE_MS);
    const arrived = await arrival.promise;
    clearTimeout(patience);
    if (arriving && !arrived)
      emit("notifications.degraded", { reason: "a notification to ourselves did not arrive" });
    arriving = arrived;
    return SELF_TEST_EVERY_MS;
  }

  function hearWork(payload: string) {
    const { queues, sinceMs } = announcedWork(payload);
    for (const queue of queues) onWork(queue, sinceMs);
  }

  function hearEnded(payload: string) {
    const attempt = endedAttempt(payload);
    if (attempt) onEnded(attempt);
  }

  /** All at once: each would else wait for the answer to the one before it. */
  async function subscribe() {
    arriving = true;
    await Promise.all([
      db.listen(WORK_CHANNEL, hearWork, onGap),
      db.listen(ENDED_CHANNEL, hearEnded, () => undefined),
      db.listen(
        selfChannel,
        () => heard(),
        () => undefined,
      ),
    ]);
    await testing.start();
  }

  return {
    name: "wake-ups",
    get arriving() {
      return arriving;
    },
    /** May be called twice, as that of the heartbeat. */
    start() {
      subscribed ??= subscribe();
      return subscribed;
    },
    async stop() {
      heard();
      await testing.stop();
    },
  };
}
