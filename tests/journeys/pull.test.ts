import { beforeEach, setDefaultTimeout } from "bun:test";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { pullJourney } from "../support/pull_journey.ts";
import { startService } from "../support/service.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

beforeEach(() => clear(db));

pullJourney({ start: (args) => startService({ args, env: { DATABASE_URL } }) });
