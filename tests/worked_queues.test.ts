import { expect, test } from "bun:test";
import { workedQueues } from "../src/worked_queues.ts";
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
