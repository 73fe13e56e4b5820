import type { Behaviour, Call } from "../receiver.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const all = (world: World) => world.amount(1_000, 100);
const hanging = (world: World) => Math.round(all(world) / 10);
const GOOD_WAIT_MS = 5_000;
const LIMIT_MS = 2_000;

/** Some accept and never answer, in three ways; the others must not wait for them. */
export const hangingReceivers: Scenario = {
  name: "hanging-receiver",
  fault: "receivers that accept and never answer",
  dose: (world) => `${hanging(world)} of ${all(world)}, limit ${LIMIT_MS} ms`,
  world: { slots: 50 },
  async run(world) {
    world.receiver.behave(({ label }) =>
      label.startsWith("hangs-") ? { hang: HANGS[Number(label.slice(6)) % HANGS.length]! } : undefined,
    );
    for (let job = 0; job < hanging(world); job++) {
      const label = `hangs-${job}`;
      world.endsAs(label, ["failed"]);
      await world.client.submit({ label, fields: { timeout_ms: LIMIT_MS, max_retries: 1 } });
    }
    const good = await world.client.submitMany(all(world) - hanging(world));
    await world.settle();
    const waits = good.map(({ label, tries }) => {
      const call = world.receiver.calls.find((call) => call.label === label);
      return call ? call.atMs - tries.at(-1)!.atMs : Number.POSITIVE_INFINITY;
    });
    const p99 = waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.99)]!;
    if (p99 > GOOD_WAIT_MS) world.find("I24", `good jobs waited ${p99} ms (p99)`);
    world.note(`good jobs waited ${p99} ms (p99)`);
  },
};

const HANGS = ["silent", "headers", "drip"] as const;

const flapping = (world: World) => world.amount(2_000, 100);
const RETRY_AFTER_S = 1;

interface Mood extends Behaviour {
  share: number;
}

const MOODS: Mood[] = [
  { share: 0.3, status: 500 },
  { share: 0.1, cut: true },
  { share: 0.1, delayMs: 500 },
  { share: 0.05, status: 429, headers: { "retry-after": String(RETRY_AFTER_S) } },
  { share: 0.05, status: 503 },
  { share: 0.05, status: 410 },
  { share: 0.05, status: 302, headers: { location: "/call" } },
];

/** A receiver in changing moods: who is told to wait waits, who is told never to come again does not. */
export const flappingReceiver: Scenario = {
  name: "flapping-receiver",
  fault: "a receiver that refuses, breaks off, dawdles and redirects",
  dose: (world) => `${flapping(world)} jobs`,
  async run(world) {
    const gone = new Set<string>();
    world.receiver.behave(({ label }) => {
      const mood = moodFor(world.dice.next());
      if (mood?.status === 410) {
        gone.add(label);
        world.endsAs(label, ["failed"]);
      }
      return mood;
    });
    await world.client.submitMany(flapping(world), { fields: { max_retries: 50 } });
    await world.settle();
    for (const calls of Map.groupBy(world.receiver.calls, ({ label }) => label).values())
      checkCalls(world, calls);
    world.note(`${world.receiver.calls.length} calls, ${gone.size} jobs sent away`);
  },
};

function moodFor(roll: number): Mood | undefined {
  let upTo = 0;
  return MOODS.find(({ share }) => {
    upTo += share;
    return roll < upTo;
  });
}

function checkCalls(world: World, calls: readonly Call[]) {
  const inOrder = calls.toSorted((a, b) => a.atMs - b.atMs);
  for (const [place, { label, status, answeredMs }] of inOrder.entries()) {
    const next = inOrder[place + 1];
    if (next && status === 410) world.find("I7", `${label} came again after it was sent away`);
    if (next && status === 429 && next.atMs - answeredMs! < RETRY_AFTER_S * 1_000)
      world.find("I7", `${label} came again after ${next.atMs - answeredMs!} ms, not ${RETRY_AFTER_S} s`);
  }
}
