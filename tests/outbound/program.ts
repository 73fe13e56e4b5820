import { guardedFetch } from "../../src/outbound/guarded_fetch.ts";
import type { OutboundRules } from "../../src/outbound/rules.ts";

/** What the program below is told, as JSON, by its only argument. */
export interface Errand {
  url: string;
  rules: OutboundRules;
  /** Where every name leads. */
  addresses: string[];
}

/** What came of it. */
export type Outcome = { status: number; body: string } | { reason: string; message: string };

/** Makes one call, in a process of its own: for what only another environment shows, or the compiled executable. */
async function main({ url, rules, addresses }: Errand): Promise<Outcome> {
  try {
    const answer = await guardedFetch(rules, async () => addresses)(url, { method: "POST", body: "hello" });
    return { status: answer.status, body: await answer.text() };
  } catch (error) {
    const { reason, message } = error as { reason: string; message: string };
    return { reason, message };
  }
}

if (import.meta.main) {
  console.log(JSON.stringify(await main(JSON.parse(process.argv[2]!))));
  process.exit();
}
