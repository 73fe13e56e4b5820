import { expect, test } from "bun:test";
import { wantedAhead } from "../../src/worker/ahead.ts";

const SMALL = { slots: 100, payloadBytes: 100 };

test.each([
  ["nothing before a job has run", { ...SMALL, runMs: Number.POSITIVE_INFINITY, payloadBytes: 0 }, 0],
  ["nothing for jobs that outlast many takes", { ...SMALL, runMs: 50.1 }, 0],
  ["what the slots work off in 20 ms", { ...SMALL, runMs: 50 }, 40],
  ["more of shorter ones", { ...SMALL, runMs: 2 }, 1_000],
  ["five thousand at most, however short they are", { ...SMALL, runMs: 0 }, 5_000],
  ["fewer where there are fewer slots", { ...SMALL, slots: 3, runMs: 2 }, 30],
  ["no more than fit into 16 MiB", { ...SMALL, runMs: 0.1, payloadBytes: 256 * 1024 }, 64],
])("is taken ahead: %s", (_, pace, jobs) => {
  expect(wantedAhead(pace)).toBe(jobs);
});
