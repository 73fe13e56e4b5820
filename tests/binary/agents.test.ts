import { agentsJourney } from "../support/agents_journey.ts";
import { program } from "../support/binary.ts";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";

const jobsvc = await program();
const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

await agentsJourney({
  start: (args, env = {}) => jobsvc.start(args, { env: { DATABASE_URL, ...env }, lives: "file" }),
});
