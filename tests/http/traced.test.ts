import { describe, expect, test } from "bun:test";
import { create, JSON_TYPE, request, SEED_REQUEST, testApp } from "./client.ts";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OWN = "00-11111111111111111111111111111111-2222222222222222-00";

describe("the trace in which a job is asked for", () => {
  test("is kept with it", async () => {
    const { app, inserted } = testApp();
    await create(app, { ...SEED_REQUEST, metadata: { order: 7 } }, { traceparent: TRACEPARENT });
    expect(inserted[0]!.metadata).toEqual({ order: 7, traceparent: TRACEPARENT });
  });

  test("is kept with each job of a batch, unless it has one of its own", async () => {
    const { app, inserted } = testApp();
    const body = JSON.stringify([SEED_REQUEST, { ...SEED_REQUEST, metadata: { traceparent: OWN } }]);
    const headers = { ...JSON_TYPE, traceparent: TRACEPARENT };
    expect((await request(app, "POST", "/api/jobs/batch", { body, headers })).status).toBe(201);
    expect(inserted.map(({ metadata }) => metadata.traceparent)).toEqual([TRACEPARENT, OWN]);
  });

  test.each([["garbage"], [`${TRACEPARENT}-more`], [""]])(
    "%p is no trace, and changes nothing",
    async (traceparent) => {
      const { app, inserted } = testApp();
      expect((await create(app, SEED_REQUEST, { traceparent })).status).toBe(201);
      expect(inserted[0]!.metadata).toEqual({});
    },
  );
});
