import { afterAll } from "bun:test";
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

/** Nothing of its own over the network: what a page asks for must come from the page. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Where Debian puts it. */
const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

async function launch(): Promise<Browser> {
  if (!existsSync(EXECUTABLE))
    throw new Error(`no Chromium at ${EXECUTABLE}: apt-get install chromium, or set CHROMIUM`);
  return await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS, headless: true });
}

export interface Visit {
  page: Page;
  /** Whatever a good page does not cause: console errors, violations of its policy, requests to other hosts, dialogs. */
  troubles: string[];
}

/**
 * Answers what opens fresh pages in a Chromium that reaches no host but this one. To be called once a file, outside of
 * the tests: it starts with the first page, and ends with the file.
 */
export function visits(): () => Promise<Visit> {
  let browser: Promise<Browser> | undefined;
  afterAll(async () => (await browser)?.close());
  return async () => {
    browser ??= launch();
    return await freshPage(await browser);
  };
}

async function freshPage(browser: Browser): Promise<Visit> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const troubles: string[] = [];
  await context.route("**", (route) => {
    const url = new URL(route.request().url());
    if (url.protocol === "data:" || url.protocol === "blob:" || isLoopback(url.hostname))
      return route.continue();
    troubles.push(`request to ${url.href}`);
    return route.abort();
  });
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(message.text());
  });
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("requestfailed", (request) => troubles.push(`failed: ${request.url()}`));
  page.on("dialog", (dialog) => {
    troubles.push(`dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  return { page, troubles };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}
