import { setDefaultTimeout } from "bun:test";
import { program } from "../support/binary.ts";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";
import { threadsJourney } from "../support/threads_journey.ts";

setDefaultTimeout(60_000);

const jobsvc = await program();
const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

threadsJourney({ db, start: (args) => jobsvc.start(args, { env: { DATABASE_URL } }) });
