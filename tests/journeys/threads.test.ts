import { setDefaultTimeout } from "bun:test";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";
import { threadsJourney } from "../support/threads_journey.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

threadsJourney({ db, start: (args) => startService({ args, env: { DATABASE_URL } }) });
