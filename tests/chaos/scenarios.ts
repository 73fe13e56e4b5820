import type { Scenario } from "./scenario.ts";
import { backendKills } from "./scenarios/backend_kills.ts";
import { badRows } from "./scenarios/bad_rows.ts";
import { blockedLoop } from "./scenarios/blocked_loop.ts";
import { BOARD } from "./scenarios/board.ts";
import { clockSkew } from "./scenarios/clock_skew.ts";
import { connectionLimit, idleConnections } from "./scenarios/connection_limit.ts";
import { counters } from "./scenarios/counters.ts";
import { diskFull } from "./scenarios/disk_full.ts";
import { failoverAsync, failoverSync } from "./scenarios/failover.ts";
import { halfOpen, partition } from "./scenarios/half_open.ts";
import { hugeAnswers } from "./scenarios/huge_answers.ts";
import { insideTransactions } from "./scenarios/inside_transactions.ts";
import { repeatableRead, serializable } from "./scenarios/isolation.ts";
import { killAll } from "./scenarios/kill_all.ts";
import { killApi } from "./scenarios/kill_api.ts";
import { killWorkers } from "./scenarios/kill_workers.ts";
import { listeners } from "./scenarios/listeners.ts";
import { locks } from "./scenarios/locks.ts";
import { mix } from "./scenarios/mix.ts";
import { mountain } from "./scenarios/mountain.ts";
import { oldTransaction } from "./scenarios/old_transaction.ts";
import { poison } from "./scenarios/poison.ts";
import { pooler } from "./scenarios/pooler.ts";
import { cancelRace, leaseRace } from "./scenarios/races.ts";
import { readOnly } from "./scenarios/read_only.ts";
import { flappingReceiver, hangingReceivers } from "./scenarios/receivers.ts";
import { postgresDown, postgresFast, postgresImmediate } from "./scenarios/restart_postgres.ts";
import { rolling } from "./scenarios/rolling.ts";
import { sameKey } from "./scenarios/same_key.ts";
import { sameNames } from "./scenarios/same_names.ts";
import { soak } from "./scenarios/soak.ts";
import { stopGrace } from "./scenarios/stop_grace.ts";
import { sweep } from "./scenarios/sweep.ts";
import { unreadLogs } from "./scenarios/unread_logs.ts";
import { upgrade } from "./scenarios/upgrade.ts";
import { zombie } from "./scenarios/zombie.ts";

/** All of them, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  killWorkers,
  killAll,
  sameNames,
  sweep,
  killApi,
  rolling,
  upgrade,
  stopGrace,
  zombie,
  blockedLoop,
  postgresFast,
  postgresImmediate,
  postgresDown,
  backendKills,
  insideTransactions,
  halfOpen,
  partition,
  listeners,
  pooler,
  connectionLimit,
  idleConnections,
  diskFull,
  readOnly,
  clockSkew,
  serializable,
  repeatableRead,
  locks,
  oldTransaction,
  poison,
  hugeAnswers,
  hangingReceivers,
  flappingReceiver,
  unreadLogs,
  sameKey,
  cancelRace,
  leaseRace,
  mountain,
  badRows,
  counters,
  failoverSync,
  failoverAsync,
  ...BOARD,
  mix,
  soak,
];
