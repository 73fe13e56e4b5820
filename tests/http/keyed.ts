import { type AccessParts, access } from "../../src/access/access.ts";
import { createKey, type NewKey } from "../../src/access/keys.ts";
import type { Database } from "../../src/db/connect.ts";
import type { AppParts } from "../../src/http/app.ts";
import { eventStreams } from "../../src/http/event_streams.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { TEST_TOKENS } from "../support/agents.ts";
import { testApp } from "./client.ts";

export type Headers = Record<string, string>;

export const OWNER = "123e4567-e89b-12d3-a456-426614174000";
export const FOREIGNER = "7d444840-9dc0-11d1-b245-5ffdce74fad2";

/** One node on a database: what it answers depends on the keys in there. */
export function keyedApp(db: Database, changes: Partial<AccessParts> = {}, parts: Partial<AppParts> = {}) {
  return testApp({
    db,
    inserter: inserter({ db, onWaiting() {} }),
    streams: eventStreams({ db, emit: () => {} }),
    access: access({
      db,
      settingsKeys: [],
      openWithoutKeys: true,
      callsPerMinute: { enqueue: 0, read: 0, work: 0, manage: 0 },
      tokens: TEST_TOKENS,
      ...changes,
    }),
    ...parts,
  });
}

export const bearer = (key: string): Headers => ({ authorization: `Bearer ${key}` });

export async function newKey(db: Database, changes: Partial<NewKey> = {}) {
  const wanted: NewKey = { name: "test", scopes: ["admin"], userId: null, expires: null, ...changes };
  const { text, record } = (await createKey(db, wanted))!;
  return { text, id: record.id, headers: bearer(text) };
}
