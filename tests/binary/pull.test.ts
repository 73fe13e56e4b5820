import { beforeEach, setDefaultTimeout } from "bun:test";
import { program } from "../support/binary.ts";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { pullJourney } from "../support/pull_journey.ts";

setDefaultTimeout(60_000);

const jobsvc = await program();
const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

beforeEach(() => clear(db));

pullJourney({ start: (args) => jobsvc.start(args, { env: { DATABASE_URL } }) });
