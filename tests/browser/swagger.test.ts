import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Locator, Page } from "playwright-core";
import { type HttpServer, httpServer } from "../../src/http/server.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { testAccess, testParts } from "../http/client.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { stateOf } from "../support/facts.ts";
import { until } from "../support/until.ts";
import { visit } from "./chromium.ts";

// A browser that starts on a busy machine needs its time; what a preload says of it holds for the first file only.
setDefaultTimeout(60_000);

const KEY = "key-for-the-browser";

const db = await testDatabase();
let server: HttpServer;

beforeAll(async () => {
  server = httpServer({
    ...testParts().parts,
    db,
    inserter: inserter(db, () => {}),
    access: testAccess({ settingsKeys: [KEY] }),
    host: "127.0.0.1",
    port: 0,
  });
  await server.start();
});

afterAll(() => server.stop());

test("a person creates a job on the page, reads it and cancels it, with no other host in reach", async () => {
  const { page, troubles } = await visit();
  await page.goto(server.url!.href);
  expect(page.url()).toEndWith("/swagger");
  await page.getByRole("heading", { name: "jobsvc" }).waitFor();
  expect(await page.locator(".opblock").count()).toBe(await operations());

  await authorize(page, KEY);

  const created = await run(operation(page, "createJob"));
  expect(created.status).toBe("201");
  const { job_id } = JSON.parse(created.body);
  expect(await stateOf(db, job_id)).toBe("available");

  const read = await run(operation(page, "getJob"), job_id);
  expect(read.status).toBe("200");
  expect(JSON.parse(read.body)).toMatchObject({
    job_id,
    state: "available",
    payload: { task: "process_data" },
  });

  const cancelled = await run(operation(page, "cancelJob"), job_id);
  expect(cancelled.status).toBe("200");
  expect(JSON.parse(cancelled.body)).toMatchObject({ job_id, state: "cancelled" });
  expect(await stateOf(db, job_id)).toBe("cancelled");

  expect(troubles).toEqual([]);
});

test("without a key the page shows the refusal", async () => {
  const { page } = await visit();
  await page.goto(new URL("/swagger", server.url).href);
  const refused = await run(operation(page, "createJob"));
  expect(refused.status).toBe("401");
  expect(JSON.parse(refused.body)).toMatchObject({ status: 401 });
});

test("what others wrote into a job is shown as text", async () => {
  const hostile = '<img src="https://evil.example/x.png" onerror="alert(1)"><script>alert(2)</script>{{7*7}}';
  const [job] = await insertNew(db, 1, {
    tags: [hostile.slice(0, 64)],
    payload: JSON.stringify({ [hostile]: hostile }),
  });
  const { page, troubles } = await visit();
  await page.goto(new URL("/swagger", server.url).href);
  await authorize(page, KEY);
  const { body } = await run(operation(page, "getJob"), job!.id);
  expect(JSON.parse(body).payload).toEqual({ [hostile]: hostile });
  expect(troubles).toEqual([]);
});

test("the watch over the page sees what it is there for", async () => {
  const { page, troubles } = await visit();
  await page.goto(new URL("/swagger", server.url).href);
  await page.evaluate(`
    document.body.insertAdjacentHTML("beforeend", '<p onclick="x">x</p><img src="https://evil.example/x.png">');
    document.head.appendChild(document.createElement("script")).text = "x";
    alert(1);
  `);
  const expected = ["inline event handler", "inline script", "evil.example/x.png", "dialog: 1"];
  await until(`the troubles ${expected}`, () => expected.every((one) => troubles.join().includes(one)));
});

function operation(page: Page, operationId: string): Locator {
  return page.locator(`.opblock[id$="-${operationId}"]`);
}

async function authorize(page: Page, key: string) {
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const dialog = page.locator(".modal-ux");
  await dialog.getByRole("textbox").fill(key);
  await dialog.getByRole("button", { name: "Apply credentials" }).click();
  await dialog.getByRole("button", { name: "Close" }).first().click();
}

/** "Try it out" with the example of the document, and an id where one is asked for. */
async function run(block: Locator, id?: string) {
  await block.locator(".opblock-summary-control").click();
  await block.getByRole("button", { name: "Try it out" }).click();
  if (id) await block.getByPlaceholder("id").fill(id);
  await block.getByRole("button", { name: "Execute" }).click();
  const answer = block.locator(".live-responses-table .response").first();
  return {
    status: (await answer.locator(".response-col_status").innerText()).split(/\s/)[0]!,
    body: await answer.locator(".response-col_description code").first().innerText(),
  };
}

/** How many operations the document has. */
async function operations(): Promise<number> {
  const document = (await (await fetch(new URL("/openapi.json", server.url))).json()) as { paths: object };
  return Object.values(document.paths).flatMap((path) => Object.keys(path)).length;
}
