import { expect, test } from "bun:test";
import { heldOf, leaseIdOf } from "../../src/http/lease_id.ts";

test("a lease's id says what is held, and fits into an address", () => {
  for (const attempt of [1, 2, 255, 65_536, 2 ** 31 - 1]) {
    const held = { leaseId: crypto.randomUUID(), jobId: Bun.randomUUIDv7(), attempt };
    const id = leaseIdOf(held);
    expect(id).toMatch(/^[A-Za-z0-9_-]{48}$/);
    expect(heldOf(id)).toEqual(held);
  }
});

test("any text of its form names a hold that the database can look for", () => {
  for (const text of ["A".repeat(48), "_".repeat(48), "-".repeat(48), "z9".repeat(24)]) {
    const { leaseId, jobId, attempt } = heldOf(text);
    for (const uuid of [leaseId, jobId]) expect(uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(attempt).toBeWithin(0, 2 ** 31);
  }
});
