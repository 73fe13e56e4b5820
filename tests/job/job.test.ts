import { expect, test } from "bun:test";
import {
  DEFAULT_PRIORITY,
  DEFAULT_QUEUE,
  HIGHEST_PRIORITY,
  LOWEST_PRIORITY,
  NAME_PATTERN,
} from "../../src/job/job.ts";

const name = new RegExp(NAME_PATTERN);

test("a name reads well in a log line, a metric's label and a path", () => {
  for (const good of [DEFAULT_QUEUE, "ai_agent", "mail:eu", "a", "9", "A.b-c_d:e", "x".repeat(64)])
    expect(name.test(good)).toBe(true);
  for (const bad of ["", " ", "a b", "a/b", "a\n", "\na", "-a", ".a", "_a", ":a", "é", 'a"', "x".repeat(65)])
    expect(name.test(bad)).toBe(false);
});

test("an ordinary job has room above it and below it", () => {
  expect(DEFAULT_PRIORITY).toBeGreaterThan(HIGHEST_PRIORITY);
  expect(DEFAULT_PRIORITY).toBeLessThan(LOWEST_PRIORITY);
});
