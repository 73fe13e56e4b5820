import { expect, test } from "bun:test";
import { connect } from "../../src/db/connect.ts";
import { observed } from "../../src/db/observed.ts";
import { testDatabase } from "../support/database.ts";

const db = await testDatabase();

test("every statement is seen once, with its fate and its time, and goes on as it would unseen", async () => {
  const seen: string[] = [];
  let inFlight = 0;
  const own = connect({ address: db.address, name: "observed", connections: 1, prepare: true });
  const watched = observed(own, {
    begun: () => {
      inFlight++;
    },
    done(fate, ms) {
      inFlight--;
      seen.push(fate);
      expect(ms).toBeGreaterThan(0);
    },
  });
  const [row] = await watched.run((sql) => sql<{ n: number }[]>`select 1 as n`);
  expect(row).toEqual({ n: 1 });
  await expect(watched.run((sql) => sql`select 1/0`)).rejects.toThrow("division by zero");
  await expect(watched.run((sql) => sql`select pg_sleep(5)`, 50)).rejects.toThrow("no answer");
  expect(seen).toEqual(["ok", "failed", "no_answer"]);
  expect(inFlight).toBe(0);
  await watched.close();
});
