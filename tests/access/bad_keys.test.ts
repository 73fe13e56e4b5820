import { expect, test } from "bun:test";
import { badKeys } from "../../src/access/bad_keys.ts";

function guessing() {
  const clock = { ms: 1_000_000 };
  const bad = badKeys(() => clock.ms);
  const guess = (address: string, times: number) => {
    for (let count = 0; count < times; count++) bad.count(address);
  };
  const pass = (seconds: number) => {
    clock.ms += seconds * 1_000;
  };
  return { bad, guess, pass };
}

test("fifty bad keys within ten seconds, and the rest of the ten are told as the time to wait", () => {
  const { bad, guess, pass } = guessing();
  guess("a", 49);
  expect(bad.refusedFor("a")).toBe(0);
  pass(2.5);
  guess("a", 1);
  expect(bad.refusedFor("a")).toBe(8);
  pass(7.4);
  expect(bad.refusedFor("a")).toBe(1);
  pass(0.1);
  expect(bad.refusedFor("a")).toBe(0);
  guess("a", 49);
  expect(bad.refusedFor("a")).toBe(0);
});

test("slow mistakes are forgiven", () => {
  const { bad, guess, pass } = guessing();
  for (let minute = 0; minute < 100; minute++) {
    guess("a", 49);
    expect(bad.refusedFor("a")).toBe(0);
    pass(10);
  }
});

test("another address is not meant", () => {
  const { bad, guess } = guessing();
  guess("a", 50);
  expect(bad.refusedFor("b")).toBe(0);
});

test("of very many addresses the oldest are forgotten, the latest are not", () => {
  const { bad, guess } = guessing();
  guess("first", 50);
  for (let count = 0; count < 9_999; count++) guess(`address ${count}`, 1);
  expect(bad.refusedFor("first")).toBeGreaterThan(0);
  guess("last", 50);
  expect(bad.refusedFor("first")).toBe(0);
  expect(bad.refusedFor("last")).toBeGreaterThan(0);
});
