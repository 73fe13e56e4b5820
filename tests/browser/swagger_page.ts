import type { Locator, Page } from "playwright-core";

/** The block of an operation on the page of Swagger UI. */
export function operation(page: Page, operationId: string): Locator {
  return page.locator(`.opblock[id$="-${operationId}"]`);
}

/** Gives the page what it needs for the security schemes of these names. */
export async function authorize(page: Page, secrets: { key: string; token?: string }) {
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const dialog = page.locator(".modal-ux");
  for (const [scheme, secret] of Object.entries(secrets)) {
    const form = dialog.locator("form").filter({ has: page.locator("code", { hasText: scheme }) });
    await form.getByRole("textbox").fill(secret);
    await form.getByRole("button", { name: "Apply credentials" }).click();
  }
  await dialog.getByRole("button", { name: "Close" }).first().click();
}

export interface Answer {
  status: string;
  body: string;
}

/** "Try it out" with the examples of the document, and with these values of parameters. */
export async function run(block: Locator, values: Record<string, string> = {}): Promise<Answer> {
  await block.locator(".opblock-summary-control").click();
  await block.getByRole("button", { name: "Try it out" }).click();
  for (const [name, value] of Object.entries(values))
    await block.getByPlaceholder(name, { exact: true }).fill(value);
  await block.getByRole("button", { name: "Execute" }).click();
  const answer = block.locator(".live-responses-table .response").first();
  const status = (await answer.locator(".response-col_status").innerText()).split(/\s/)[0]!;
  const body = answer.locator(".response-col_description code").first();
  const said = { status, body: status === "204" ? "" : await body.innerText() };
  // Closed again: with every open block the page becomes slower.
  await block.locator(".opblock-summary-control").click();
  return said;
}
