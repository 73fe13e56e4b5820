import { expect, onTestFinished } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import { type Waiter, waiter } from "../../src/http/waiter.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { recorder } from "../support/events.ts";
import { JSON_TYPE, request, SEED_REQUEST, testApp } from "./client.ts";

/** What the waiters had to tell. */
export const events = recorder();

/** A waiter at work, that tells how many wait for it. */
export async function newWaiter(on: Database): Promise<Waiter & { waiting(): number }> {
  const made = waiter(on, events.emit);
  await made.start();
  onTestFinished(() => made.stop());
  let waiting = 0;
  return {
    ...made,
    waiting: () => waiting,
    async ended(...asked) {
      waiting++;
      await made.ended(...asked).finally(() => {
        waiting--;
      });
    },
  };
}

export async function newApp(on: Database) {
  const waiting = await newWaiter(on);
  return { waiting, ...testApp({ db: on, inserter: inserter({ db: on, onWaiting() {} }), waiter: waiting }) };
}

type App = Awaited<ReturnType<typeof newApp>>["app"];

export const post = (app: App, query: string, headers: Record<string, string> = {}) =>
  request(app, "POST", `/api/jobs${query}`, {
    body: JSON.stringify(SEED_REQUEST),
    headers: { ...JSON_TYPE, ...headers },
  });

export const get = (app: App, id: string, query = "", headers: Record<string, string> = {}) =>
  request(app, "GET", `/api/jobs/${id}${query}`, { headers });

export async function jobOf(response: Response | Promise<Response>, status: number) {
  const answer = await response;
  expect(answer.status).toBe(status);
  return { headers: answer.headers, job: (await answer.json()) as Record<string, unknown> };
}

/** Longer than any test may take: whoever is answered has not waited for so long. */
export const LONG = "?wait=60";
