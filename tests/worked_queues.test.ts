import { expect, test } from "bun:test";
import { slotsWithThreads, workedQueues } from "../src/worked_queues.ts";
import { handler } from "./support/handlers.ts";

const handlers = [undefined, "mail", "video", "mail", "default"].map((queue, place) => ({
  file: `/handlers/${place}.ts`,
  definition: handler(() => 1, { kind: `kind-${place}`, ...(queue && { queue }) }),
}));

test("without a word of queues, a process works on the default one and on each that its handlers name", () => {
  expect(workedQueues({}, handlers)).toEqual([
    { name: "default", slots: 100 },
    { name: "mail", slots: 100 },
    { name: "video", slots: 100 },
  ]);
  expect(workedQueues({}, [])).toEqual([{ name: "default", slots: 100 }]);
});

test("with one, on exactly those that it names", () => {
  const queues = [{ name: "mail", slots: 5 }];
  expect(workedQueues({ queues }, handlers)).toEqual(queues);
});

test("jobs in threads run beside the others: as many as there are threads, and no more than the queue has slots", () => {
  const queues = [
    { name: "mail", slots: 5 },
    { name: "video", slots: 50 },
  ];
  expect(slotsWithThreads(queues, handlers, 10)).toEqual(queues);
  const inThread = {
    file: "/handlers/heavy.ts",
    definition: handler(() => 1, { kind: "heavy", thread: true }),
  };
  expect(slotsWithThreads(queues, [...handlers, inThread], 10)).toEqual([
    { name: "mail", slots: 10 },
    { name: "video", slots: 60 },
  ]);
});
