import { hostname } from "node:os";
import { type Access, access } from "./access/access.ts";
import type { CallbackTokens } from "./access/callback_tokens.ts";
import { isLoopback } from "./access/loopback.ts";
import { agentKinds, outboundRules } from "./agent_kinds.ts";
import { agentFinder } from "./agents/find.ts";
import type { Secrets } from "./agents/secrets.ts";
import type { Settings } from "./config/settings.ts";
import { connect, type DatabaseAddress } from "./db/connect.ts";
import { observed } from "./db/observed.ts";
import type { LoadedHandler } from "./handlers/load.ts";
import { registry } from "./handlers/registry.ts";
import { type EventStreams, eventStreams } from "./http/event_streams.ts";
import { type HttpServer, httpServer, probeServer } from "./http/server.ts";
import { type Takers, takers } from "./http/takers.ts";
import { type Waiter, waiter } from "./http/waiter.ts";
import { type Service, together } from "./lifecycle/service.ts";
import type { Emit } from "./observability/events.ts";
import { both } from "./observability/listeners.ts";
import { createMetrics } from "./observability/metrics.ts";
import { guardedFetch } from "./outbound/guarded_fetch.ts";
import { urlProblem } from "./outbound/target.ts";
import { announcer } from "./queue/announce.ts";
import { inserter } from "./queue/inserter.ts";
import { readQueues } from "./queue/queues.ts";
import { readJobUsage } from "./queue/usage.ts";
import { readiness } from "./readiness.ts";
import { upkeep } from "./upkeep.ts";
import { guardedDatabase } from "./watchdog.ts";
import { slotsWithThreads, workedQueues } from "./worked_queues.ts";
import { type WorkerService, worker } from "./worker/worker.ts";

export interface RoleParts {
  settings: Settings;
  address: DatabaseAddress;
  secrets: Secrets;
  tokens: CallbackTokens;
  emit: Emit;
  version: string;
  /** The user's own. */
  handlers: readonly LoadedHandler[];
}

export interface Process {
  /** In the order in which they start; they stop in reverse. */
  services: Service[];
  /** Where the API answers; undefined in a process without one. */
  api?: HttpServer;
}

/** What a role runs. The whole program on one page. */
export function processFor(parts: RoleParts): Process {
  const { settings, version } = parts;
  const pool = connect({
    address: parts.address,
    name: `jobsvc ${settings.role}`,
    connections: settings.databaseConnections,
    prepare: settings.databasePrepare,
  });
  const outbound = outboundRules(settings);
  const kinds = registry([
    ...agentKinds({
      settings,
      findAgent: (resourceId) => findAgent(resourceId),
      usedBefore: (jobId) => readJobUsage(db, jobId),
      fetch: guardedFetch(outbound),
      tokens: parts.tokens,
    }),
    ...parts.handlers.map(({ definition }) => definition),
  ]);
  const queues = workedQueues(settings, parts.handlers);
  const slots = slotsWithThreads(queues, parts.handlers, settings.handlerThreads);
  const works = settings.role !== "api";
  const metrics = createMetrics({
    version,
    role: settings.role,
    works: works ? { kinds: kinds.kinds, queues: slots } : { kinds: [], queues: [] },
    connections: settings.databaseConnections,
    openStreams: () => watching.size,
    readQueues: () => readQueues(db),
  });
  const db = observed(pool, metrics.statements);
  const database = guardedDatabase(db, parts.address);
  const findAgent = agentFinder(db, parts.secrets);
  const emit = both(parts.emit, metrics.emit);
  const others = announcer(db, (error) => emit("step.failed", { step: "announce", error }));

  const running: { worker?: WorkerService } = {};
  const state = readiness(db, running);
  const watching = eventStreams({ db, emit });
  const guard = keys();
  const pulling = pullers();
  const workers = works ? [jobWorker()] : [];
  const jobs = [...workers, ...upkeep({ settings, db, kinds, emit })];
  // What answers probes starts before the workers and stops after them, to say meanwhile that it is not ready.
  if (settings.role === "worker") return { services: [database, first(probes()), ...jobs, state.service] };
  const waiting = waiter(db, emit);
  const api = http(waiting, watching);
  // Those who wait for jobs are sent away first, and can still end those that they have while others finish theirs.
  return { services: [database, first([api]), waiting, watching, ...jobs, pulling, state.service], api };

  /** What waits for connections, or for a thread, does so while the routes are made, which keeps this thread busy. */
  function first(services: readonly Service[]): Service {
    return together("process", [...workers.map(({ ahead }) => ahead), state.ahead, ...services]);
  }

  function jobWorker(): WorkerService {
    running.worker = worker({
      db,
      connection: { address: parts.address, prepare: settings.databasePrepare },
      worker: {
        id: crypto.randomUUID(),
        name: `${hostname()}/${process.pid}`,
        role: settings.role,
        version,
        queues: queues.map((queue) => queue.name),
        kinds: kinds.kinds,
        slots: slots.reduce((sum, queue) => sum + queue.slots, 0),
      },
      queues,
      registry: kinds,
      emit,
      ttlMs: settings.workerTtlMs,
      graceMs: settings.graceMs,
      pollIntervalMs: settings.pollIntervalMs,
      defaultTimeoutMs: settings.jobTimeoutMs,
      handlerThreads: settings.handlerThreads,
      handlerFiles: new Map(parts.handlers.map(({ file, definition }) => [definition.kind, file])),
      onReported: watching.wake,
    });
    return running.worker;
  }

  function tellOfWork(queues: Iterable<string>, told = false) {
    const named = [...queues];
    for (const queue of named) {
      running.worker?.wake(queue);
      pulling.wake(queue);
    }
    if (!told) others.tell(named);
  }

  function pullers(): Takers {
    const { pollIntervalMs, jobTimeoutMs } = settings;
    return takers({ db, emit, pollIntervalMs, defaultLimitMs: jobTimeoutMs, failLost: kinds.failLost });
  }

  function http(waiter: Waiter, streams: EventStreams): HttpServer {
    return httpServer({
      streams,
      metrics,
      waiter,
      db,
      inserter: inserter({
        db,
        onWaiting: tellOfWork,
        leaveTelling: others.leave,
        offer: (queue, jobs) => running.worker?.offer(queue, jobs),
      }),
      takers: pulling,
      retryOf: (kind) => kinds.find(kind)?.retry,
      onWork: tellOfWork,
      emit,
      kinds,
      secrets: parts.secrets,
      checkUrl: (url) => urlProblem(url, outbound),
      readiness: state.check,
      host: settings.host,
      port: settings.port,
      access: guard,
      version,
    });
  }

  function keys(): Access {
    return access({
      db,
      settingsKeys: settings.apiKeys,
      openWithoutKeys: isLoopback(settings.host),
      tokens: parts.tokens,
      callsPerMinute: {
        enqueue: settings.enqueuePerMinute,
        read: settings.readPerMinute,
        work: settings.workPerMinute,
        manage: settings.managePerMinute,
      },
    });
  }

  /** A process that only works has no API, but a supervisor wants to look at it. */
  function probes(): Service[] {
    if (settings.probePort === undefined) return [];
    const { host, probePort: port } = settings;
    return [probeServer({ emit, readiness: state.check, metrics, access: guard, host, port, version })];
  }
}
