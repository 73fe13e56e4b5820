import { openSingle } from "../../../src/db/connect.ts";

// The least that there is between an HTTP call that commits a row and somebody who begins with it: no queue, no take, no
// lease. In one process that is the answer of the database (all); in two, a notification of it (api, worker).
//   bun floor_process.ts <url> all|api|worker
// Tells lines of JSON: first where it answers, then when somebody began.

const CHANNEL = "floor";

const [url, role] = Bun.argv.slice(2);
const sql = openSingle(url!, "jobsvc bench");

if (role === "worker") {
  await sql.listen(CHANNEL, began);
  tell({});
} else {
  const told = role === "api" ? sql`pg_notify(${CHANNEL}, '')::text` : sql`''`;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const row = await request.json();
      await sql`
        with job as (insert into jobs select * from json_populate_record(null::jobs, ${row}) returning 1)
        select ${told} from job`;
      if (role === "all") began();
      return Response.json({});
    },
  });
  tell({ url: server.url.href });
}
for await (const _ of Bun.stdin.stream());
process.exit();

function began() {
  tell({ at: performance.timeOrigin + performance.now() });
}

function tell(line: object) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
