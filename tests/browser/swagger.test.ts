import { afterAll, beforeAll, expect, test } from "bun:test";
import { type HttpServer, httpServer } from "../../src/http/server.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { testAccess, testParts } from "../http/client.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { stateOf } from "../support/facts.ts";
import { until } from "../support/until.ts";
import { visits } from "./chromium.ts";
import { authorize, operation, run } from "./swagger_page.ts";

/** A browser that starts on a busy machine needs its time. */
const LONGEST_TEST_MS = 120_000;

const KEY = "key-for-the-browser";

const visit = visits();
const db = await testDatabase();
let server: HttpServer;

beforeAll(async () => {
  server = httpServer({
    ...testParts().parts,
    db,
    inserter: inserter({ db, onWaiting() {} }),
    access: testAccess({ settingsKeys: [KEY] }),
    host: "127.0.0.1",
    port: 0,
  });
  await server.start();
});

afterAll(() => server.stop());

test(
  "a person creates a job on the page, reads it, lists it and cancels it, with no other host in reach",
  async () => {
    const { page, troubles } = await visit();
    await page.goto(server.url!.href);
    expect(page.url()).toEndWith("/swagger");
    await page.getByRole("heading", { name: "jobsvc" }).waitFor();
    expect(await page.locator(".opblock").count()).toBe(await operations());

    await authorize(page, { key: KEY });

    const created = await run(operation(page, "createJob"));
    expect(created.status).toBe("201");
    const { job_id } = JSON.parse(created.body);
    expect(await stateOf(db, job_id)).toBe("available");

    const read = await run(operation(page, "getJob"), { id: job_id });
    expect(read.status).toBe("200");
    expect(JSON.parse(read.body)).toMatchObject({
      job_id,
      state: "available",
      payload: { task: "process_data" },
    });

    const listed = await run(operation(page, "listJobs"), { resource_type: "ai_agent" });
    expect(listed.status).toBe("200");
    expect(JSON.parse(listed.body).jobs).toMatchObject([{ job_id, state: "available" }]);

    const cancelled = await run(operation(page, "cancelJob"), { id: job_id });
    expect(cancelled.status).toBe("200");
    expect(JSON.parse(cancelled.body)).toMatchObject({ job_id, state: "cancelled" });
    expect(await stateOf(db, job_id)).toBe("cancelled");

    expect(troubles).toEqual([]);
  },
  LONGEST_TEST_MS,
);

test(
  "without a key the page shows the refusal",
  async () => {
    const { page } = await visit();
    await page.goto(new URL("/swagger", server.url).href);
    const refused = await run(operation(page, "createJob"));
    expect(refused.status).toBe("401");
    expect(JSON.parse(refused.body)).toMatchObject({ status: 401 });
  },
  LONGEST_TEST_MS,
);

test(
  "what others wrote into a job is shown as text",
  async () => {
    const hostile =
      '<img src="https://evil.example/x.png" onerror="alert(1)"><script>alert(2)</script>{{7*7}}';
    const [job] = await insertNew(db, 1, {
      tags: [hostile.slice(0, 64)],
      payload: JSON.stringify({ [hostile]: hostile }),
    });
    const { page, troubles } = await visit();
    await page.goto(new URL("/swagger", server.url).href);
    await authorize(page, { key: KEY });
    const { body } = await run(operation(page, "getJob"), { id: job!.id });
    expect(JSON.parse(body).payload).toEqual({ [hostile]: hostile });
    expect(troubles).toEqual([]);
  },
  LONGEST_TEST_MS,
);

test(
  "the watch over the page sees what it is there for",
  async () => {
    const { page, troubles } = await visit();
    await page.goto(new URL("/swagger", server.url).href);
    await page.evaluate(`
    document.body.insertAdjacentHTML("beforeend", '<p onclick="x">x</p><img src="https://evil.example/x.png">');
    document.head.appendChild(document.createElement("script")).text = "x";
    alert(1);
  `);
    const expected = ["inline event handler", "inline script", "evil.example/x.png", "dialog: 1"];
    await until(`the troubles ${expected}`, () => expected.every((one) => troubles.join().includes(one)));
  },
  LONGEST_TEST_MS,
);

/** How many operations the document has. */
async function operations(): Promise<number> {
  const document = (await (await fetch(new URL("/openapi.json", server.url))).json()) as { paths: object };
  return Object.values(document.paths).flatMap((path) => Object.keys(path)).length;
}
