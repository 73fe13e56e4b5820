import { createServer, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";

/** How the receiver answers a call. */
export interface Behaviour {
  delayMs?: number;
  /** Answers no sooner than this comes. */
  after?: Promise<unknown>;
  status?: number;
  headers?: Record<string, string>;
  /** Breaks the connection instead of answering. */
  cut?: boolean;
  /** Never answers to the end: not at all, with nothing but headers, or a byte now and then. */
  hang?: "silent" | "headers" | "drip";
}

/** One call, as the receiver saw it. */
export interface Call {
  jobId: string;
  attempt: number;
  /** The process that called. */
  worker: number;
  label: string;
  /** What the job was to bring. */
  text: string;
  atMs: number;
  /** When the answer went out, and what it was; undefined for a call that was never answered. */
  answeredMs?: number;
  status?: number;
}

/** What the handler sends. */
interface Body {
  job_id: string;
  attempt: number;
  worker: number;
  label: string;
  text: string;
}

/** Stands for whatever the jobs have an effect on: it writes down every call. The second of the four accounts. */
export interface Receiver {
  url: string;
  calls: Call[];
  /** Decides how calls are answered from now on. The usual answer is 200 after a short while. */
  behave(behaviour: (call: Call) => Behaviour | undefined): void;
  /** Calls answered with success between two moments. */
  done(fromMs: number, toMs: number): number;
  close(): Promise<void>;
}

/** A quick remote service. */
export const USUAL_DELAY_MS = 20;

export async function openReceiver(): Promise<Receiver> {
  const calls: Call[] = [];
  let behaviourOf: (call: Call) => Behaviour | undefined = () => undefined;

  const server = createServer(async (request, response) => {
    const { job_id, attempt, worker, label, text } = (await json(request)) as Body;
    const call: Call = { jobId: job_id, attempt, worker, label, text, atMs: Date.now() };
    calls.push(call);
    const behaviour = behaviourOf(call) ?? {};
    if (behaviour.hang === "silent") return;
    await Bun.sleep(behaviour.delayMs ?? USUAL_DELAY_MS);
    await behaviour.after;
    if (behaviour.cut) return void request.socket.destroy();
    response.writeHead(behaviour.status ?? 200, { "content-type": "application/json", ...behaviour.headers });
    if (behaviour.hang) return behaviour.hang === "drip" ? drip(response) : response.flushHeaders();
    call.answeredMs = Date.now();
    call.status = behaviour.status ?? 200;
    response.end("{}");
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as { port: number };

  return {
    url: `http://127.0.0.1:${port}/call`,
    calls,
    behave(behaviour) {
      behaviourOf = behaviour;
    },
    done: (fromMs, toMs) =>
      calls.filter(({ status, answeredMs }) => status === 200 && answeredMs! >= fromMs && answeredMs! < toMs)
        .length,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const DRIP_EVERY_MS = 1_000;

/** White space, which may stand before any JSON. */
async function drip(response: ServerResponse) {
  while (!response.closed) {
    response.write(" ");
    await Bun.sleep(DRIP_EVERY_MS);
  }
}
