import { closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../support/until.ts";
import type { MemberOptions } from "../fleet.ts";
import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const faultMs = (world: World) => world.seconds(60, 6);
/** Requests between two looks at what was dropped; each of them is told in the log with its path. */
const REQUESTS = 200;
const CHATTER_MS = 120_000;
const LONG_PATH = `/api/${"x".repeat(200)}`;
const SIP_BYTES = 512;
const SIP_EVERY_MS = 100;
const LEAVE_MS = 10_000;

/** Readers of a log that go away, never read, or take a sip now and then. A service is not its log. */
export const unreadLogs: Scenario = {
  name: "unread-logs",
  fault: "stdout and stderr closed by their reader, never read, read slowly",
  dose: (world) => `1 worker each, ${faultMs(world) / 1_000} s`,
  world: { workers: 0, apis: 0 },
  async run(world) {
    const [gone, full, slow, chatty] = await Promise.all(
      ["gone", "full", "slow", "chatty"].map((name) => pipe(world, name)),
    );
    for (const worker of [gone, full, slow]) await world.fleet.startWorker(worker!.member);
    const api = await world.fleet.startApi(chatty!.member);
    await underLoad(world, async () => {
      gone!.close();
      await Promise.all([chatter(api.url), sip(world, slow!)]);
      world.healed();
    });
    await world.settle();
    const counted = await droppedBy(api.url);
    const told = await until("dropped lines to be told", () => {
      const text = chatty!.read(16 * 1024 * 1024);
      return /"event":"log.dropped".*"lines":(\d+)/.exec(text)?.[1];
    });
    world.note(`${counted} lines dropped, ${told} told once somebody read`);
    for (const { role, pid } of world.fleet.living("worker"))
      if (!world.receiver.calls.some(({ worker }) => worker === pid))
        world.find("I3", `a ${role} did nothing`);
    await leave(world);
  },
};

interface Pipe {
  /** Writes into it. */
  member: MemberOptions;
  /** What is in it, at most so much at a time. */
  read(most: number): string;
  close(): void;
}

async function pipe(world: World, name: string): Promise<Pipe> {
  const path = join(world.directory, name);
  await Bun.$`mkfifo ${path}`;
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return {
    member: { wrapper: ["sh", "-c", `exec "$@" > ${path} 2>&1`, "sh"] },
    read(most) {
      const bytes = Buffer.alloc(most);
      try {
        return bytes.toString("utf8", 0, readSync(reader, bytes));
      } catch (error) {
        if ((error as { code?: string }).code === "EAGAIN") return "";
        throw error;
      }
    },
    close: () => closeSync(reader),
  };
}

/** Until the process has more to tell than it keeps. */
async function chatter(url: string) {
  await until(
    "lines to be dropped",
    async () => {
      for (let request = 0; request < REQUESTS; request++) await (await fetch(`${url}${LONG_PATH}`)).text();
      return await droppedBy(url);
    },
    CHATTER_MS,
  );
}

async function sip(world: World, slow: Pipe) {
  for (const end = Date.now() + faultMs(world); Date.now() < end; await world.wait(SIP_EVERY_MS))
    slow.read(SIP_BYTES);
}

/** Undefined as long as there are none. */
async function droppedBy(url: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^jobsvc_log_lines_dropped_total (\d+)$/m.exec(text)?.[1]) || undefined;
}

/** Nobody died of it, and nobody waits for a reader in order to leave. */
async function leave(world: World) {
  if (world.fleet.living().length < world.fleet.members.length) world.find("I3", "a process died of its log");
  const begunMs = Date.now();
  const codes = await world.fleet.stop();
  const tookMs = Date.now() - begunMs;
  if (codes.some((code) => code !== 0)) world.find("I10", `they left with ${codes.join(", ")}`);
  if (tookMs > LEAVE_MS) world.find("I10", `it took ${tookMs} ms to leave`);
}
