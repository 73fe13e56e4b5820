import { expect, test } from "bun:test";
import { announcedWork, endedAttempt } from "../../src/queue/channels.ts";

test("a notification of an ending names the attempt and its outcome", () => {
  const jobId = Bun.randomUUIDv7();
  expect(endedAttempt(`${jobId} 3 completed`)).toEqual({ jobId, attempt: 3, outcome: "completed" });
});

test.each([
  [""],
  ["0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77"],
  ["0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77 1 vanished"],
])("%p, which another version may say, is no news", (payload) => {
  expect(endedAttempt(payload)).toBeUndefined();
});

test("a notification of work names the queues, and since when some of it may be due", () => {
  expect(announcedWork("default")).toEqual({ queues: ["default"], sinceMs: undefined });
  expect(announcedWork("default,mail")).toEqual({ queues: ["default", "mail"], sinceMs: undefined });
  expect(announcedWork("default 1795597227648")).toEqual({ queues: ["default"], sinceMs: 1_795_597_227_648 });
});
