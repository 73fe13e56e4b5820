import { describe, expect, test } from "bun:test";
import { inserter } from "../../src/queue/inserter.ts";
import { testDatabase } from "../support/database.ts";
import { create, pointersOf, problemOf, request, SEED_REQUEST, testApp } from "./client.ts";
import { type JsonCase, jsonCorpus } from "./json_corpus.ts";

const db = await testDatabase();
const { app, told } = testApp({ db, inserter: inserter({ db, onWaiting() {} }) });

const { payload: _, ...OTHERS } = SEED_REQUEST;

/** The request with these bytes where the payload stands. */
function around({ bytes }: JsonCase): Blob {
  return new Blob(['{"payload":', bytes as Uint8Array<ArrayBuffer>, `,${JSON.stringify(OTHERS).slice(1)}`]);
}

const asText = ({ text }: JsonCase) => ({ ...SEED_REQUEST, payload: text });

/** That the job has this payload, character by character, in the table and in the answer. */
async function expectKept(response: Response, payload: string) {
  const { job_id } = (await response.json()) as { job_id: string };
  const [row] = await db.sql`select payload::text from jobsvc.jobs where id = ${job_id}`;
  expect(row).toEqual({ payload });
  const answer = await (await request(app, "GET", `/api/jobs/${job_id}`)).text();
  expect(answer).toContain(`"payload":${payload},"result":null}`);
}

function expectNoFailure() {
  expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
}

describe("JSONTestSuite", () => {
  test("is whole", () => {
    expect((["y", "n", "i"] as const).map((which) => jsonCorpus(which).length)).toEqual([95, 188, 35]);
  });

  describe("must be refused", () => {
    test.each(jsonCorpus("n"))("$name", async (one) => {
      await problemOf(await create(app, new Blob([one.bytes as Uint8Array<ArrayBuffer>])), 400);
      const inside = await create(app, around(one));
      // Some are wrong as a whole document only: what follows them here completes them.
      expect([400, 422]).toContain(inside.status);
      if (one.text !== undefined) await problemOf(await create(app, asText(one)), 422);
      expectNoFailure();
    });
  });

  describe("must be kept", () => {
    test.each(jsonCorpus("y"))("$name", async (one) => {
      const inside = await create(app, around(one));
      // A payload that is a text is one that holds JSON, and these three hold none.
      if (typeof JSON.parse(one.text!) === "string")
        expect(pointersOf(await problemOf(inside, 422))).toEqual(["/payload"]);
      else {
        expect(inside.status).toBe(201);
        await expectKept(inside, one.text!.trim());
      }
      const text = await create(app, asText(one));
      expect(text.status).toBe(201);
      await expectKept(text, one.text!);
      expectNoFailure();
    });
  });

  describe("is kept or refused", () => {
    test.each(jsonCorpus("i"))("$name", async (one) => {
      const inside = await create(app, around(one));
      if (inside.status === 201) await expectKept(inside, one.text!.trim());
      else expect([400, 422]).toContain(inside.status);
      if (one.text !== undefined) {
        const text = await create(app, asText(one));
        if (text.status === 201) await expectKept(text, one.text);
        else expect([400, 422]).toContain(text.status);
      }
      expectNoFailure();
    });
  });
});
