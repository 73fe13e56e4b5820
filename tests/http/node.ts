import { onTestFinished } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import { type EventStreams, eventStreams } from "../../src/http/event_streams.ts";
import { httpServer } from "../../src/http/server.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { recorder } from "../support/events.ts";
import { testParts } from "./client.ts";

export interface Node {
  url: string;
  streams: EventStreams;
  watch(jobId: string, lastEventId?: string, init?: RequestInit): Promise<Response>;
  stop(): Promise<void>;
}

/** One process of the service, on this database; stopped with the test. */
export async function node(db: Database): Promise<Node> {
  const streams = eventStreams({ db, emit: recorder().emit });
  const parts = { ...testParts().parts, db, inserter: inserter({ db, onWaiting() {} }), streams };
  const server = httpServer({ ...parts, host: "127.0.0.1", port: 0 });
  await server.start();
  await streams.start();
  const stop = async () => {
    await streams.stop();
    await server.stop();
  };
  onTestFinished(stop);
  const url = server.url!.origin;
  return {
    url,
    streams,
    watch: (jobId, lastEventId, init = {}) =>
      fetch(`${url}/api/jobs/${jobId}/events`, {
        ...init,
        headers: lastEventId === undefined ? {} : { "last-event-id": lastEventId },
      }),
    stop,
  };
}
