import { expect, test } from "bun:test";
import { isLoopback } from "../../src/access/loopback.ts";

test("loopback is what certainly reaches nobody else", () => {
  for (const host of ["127.0.0.1", "127.8.9.10", "localhost", "LOCALHOST", "::1"])
    expect(isLoopback(host)).toBe(true);
});

test("everything else may be open to others, also what only looks like loopback", () => {
  for (const host of [
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "example.org",
    "localhost.example.org",
    "127.0.0.1.nip.io",
    "127.0.0.1\n",
    "127.1",
    "",
  ])
    expect(isLoopback(host)).toBe(false);
});
