import { connect, type DatabaseAddress } from "../../src/db/connect.ts";
import { registry } from "../../src/handlers/registry.ts";
import { worker } from "../../src/worker/worker.ts";
import { handler } from "./handlers.ts";

/** A process whose one handler keeps the event loop for as long as the payload says, as a careless computation does. */
const [address, ttlMs] = JSON.parse(process.argv[2]!) as [DatabaseAddress, number];

const db = connect({ address, name: "blocking worker", connections: 2, prepare: true });
const careless = handler((payload) => {
  const until = performance.now() + Number(payload);
  while (performance.now() < until);
});
const identity = {
  id: crypto.randomUUID(),
  name: "blocking worker",
  role: "worker",
  version: "0.0.0",
  queues: ["default"],
  kinds: ["ai_agent"],
  slots: 1,
};
const service = worker({
  db,
  connection: { address, prepare: true },
  worker: identity,
  queues: [{ name: "default", slots: 1 }],
  registry: registry([careless]),
  emit: (name, fields) => console.log(JSON.stringify({ name, ...fields })),
  ttlMs,
  graceMs: 0,
  pollIntervalMs: 50,
  defaultTimeoutMs: 60_000,
  handlerThreads: 1,
  handlerFiles: new Map(),
});
await service.start();
await Bun.stdin.text();
await service.stop();
await db.close();
process.exit();
