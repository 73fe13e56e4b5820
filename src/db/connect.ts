import postgres from "postgres";
import { ARRAY_TYPES } from "./arrays.ts";
import { isBroken, isTransient, within } from "./deadline.ts";

/** A URL, or the socket directory of the embedded server. */
export type DatabaseAddress = string | { host: string; database: string; username: string };

export type Sql = postgres.Sql;

/** One statement being made; asked for again when a broken connection makes a repeat necessary. */
export type Statement<Rows> = (sql: Sql) => PromiseLike<Rows>;

export interface Database {
  /**
   * Runs one statement and answers its rows within `deadlineMs`, or throws. A statement whose connection
   * broke is sent again, which is safe because every statement of ours is: the caller cannot know
   * whether the first one was committed, and need not.
   */
  run<Rows>(statement: Statement<Rows>, deadlineMs?: number): Promise<Rows>;
  /**
   * Subscribes to a channel; `onListen` is called at every (re)connection, when notifications may have been missed. Resolves
   * after the first try, however that went: nobody depends on a notification, and the driver tries again.
   */
  listen(channel: string, onNotify: (payload: string) => void, onListen: () => void): Promise<void>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  address: DatabaseAddress;
  /** Seen in pg_stat_activity. */
  name: string;
  connections: number;
  /** Off behind a pooler in transaction mode, which loses prepared statements. */
  prepare: boolean;
}

/** A living server answers or gives up in less (see TIMEOUTS), so a missed deadline means a dead connection. */
const DEADLINE_MS = 5_000;
/** What the server itself cuts short, in milliseconds. */
const TIMEOUTS = { statement_timeout: 4_000, lock_timeout: 2_000 };
/**
 * A client that is gone without a word, as when its machine loses power, keeps its slot of the server until the server asks
 * for it: after two hours, if nobody says otherwise. In seconds.
 */
const KEEPALIVES = { tcp_keepalives_idle: 60, tcp_keepalives_interval: 10, tcp_keepalives_count: 3 };
const CONNECT_TIMEOUT_S = 4;
/** Long enough for the last endings to be written, short enough for a supervisor's patience. */
const CLOSE_TIMEOUT_S = 5;

export function connect(options: ConnectOptions): Database {
  let sql = open(options);
  let closed = false;
  const subscriptions: Parameters<Database["listen"]>[] = [];

  /**
   * A half-open connection never errors and never answers, and one that broke under a statement is left by the driver in
   * a state in which it may never connect again nor end: the only cure is a new pool. Statements that were under way
   * on the old one are sent again.
   */
  function replace(dead: Sql) {
    if (closed || dead !== sql) return;
    sql = open(options);
    dead.end({ timeout: 0 }).catch(() => undefined); // nobody can tell a dead pool goodbye
    for (const subscription of subscriptions) void subscribe(subscription);
  }

  async function subscribe(subscription: Parameters<Database["listen"]>) {
    await sql.listen(...subscription).catch(() => undefined);
  }

  return {
    async run(statement, deadlineMs = DEADLINE_MS) {
      const until = performance.now() + deadlineMs;
      for (;;) {
        const pool = sql;
        try {
          return await within(until - performance.now(), statement(pool), () => replace(pool));
        } catch (error) {
          if (isBroken(error)) replace(pool);
          const pauseMs = RETRY_PAUSE_MS * (0.5 + Math.random());
          if (!isTransient(error) || performance.now() + pauseMs + SHORTEST_TRY_MS >= until) throw error;
          await Bun.sleep(pauseMs);
        }
      }
    },
    async listen(...subscription) {
      subscriptions.push(subscription);
      await subscribe(subscription);
    },
    async close() {
      closed = true;
      await sql.end({ timeout: CLOSE_TIMEOUT_S });
    },
  };
}

/**
 * The plan of a prepared statement is kept. One that was made while a table had a few rows would read that table from end
 * to end for each job of a take, and go on so when a burst has brought a million: until somebody analyzes it, takes would
 * only time out. Every statement of ours that is asked often has an index; where there is none a table is read all the
 * same, at a price so high that older servers would compile the statement first. And a plan is kept from the first time on:
 * the server would make one anew for every list of parameters that it takes for a short one, at three times the price of the
 * take itself, and find the same.
 */
const STEADY_PLANS = { enable_seqscan: "off", jit: "off", plan_cache_mode: "force_generic_plan" };

/** A restart of Postgres takes about a second; the tries that fit into the deadline cover it. */
const RETRY_PAUSE_MS = 250;
/** With less time left a living server would be taken for a dead one, and its pool be replaced for nothing. */
const SHORTEST_TRY_MS = 100;

function open({ address, name, connections, prepare }: ConnectOptions): Sql {
  return openPool(address, {
    ...COMMON_OPTIONS,
    max: connections,
    prepare,
    connection: {
      application_name: name,
      timezone: "UTC",
      // A pooler in transaction mode, for which prepared statements are turned off, refuses these at the door.
      ...(prepare && TIMEOUTS),
      ...(prepare && STEADY_PLANS),
      ...(prepare && KEEPALIVES),
    },
  });
}

/** One connection without time limits, for work that must have a session of its own: migrations, locks. */
export function openSingle(address: DatabaseAddress, name: string): Sql {
  return openPool(address, { ...COMMON_OPTIONS, max: 1, connection: { application_name: name } });
}

const COMMON_OPTIONS = {
  // The query for type names that the driver sends at connect can reject where nobody listens.
  fetch_types: false,
  types: ARRAY_TYPES,
  connect_timeout: CONNECT_TIMEOUT_S,
  onnotice: () => undefined,
};

function openPool(address: DatabaseAddress, options: postgres.Options<typeof ARRAY_TYPES>): Sql {
  if (typeof address !== "string") return postgres({ ...address, ...options });
  if (!SOCKET_PARAMETER.test(address)) return postgres(address, options);
  const url = new URL(address.replace("@/", "@localhost/"));
  const host = url.searchParams.get("host") ?? "";
  url.searchParams.delete("host");
  return postgres(url.href, { ...options, host });
}

/** libpq's way to name a socket directory, `postgres://user@/database?host=/run/postgresql`: the driver does not know it. */
const SOCKET_PARAMETER = /[?&]host=/;
