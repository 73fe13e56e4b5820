import type { Work } from "./work.ts";
import { backlog } from "./works/backlog.ts";
import { bulk } from "./works/bulk.ts";
import { crowd } from "./works/crowd.ts";
import { drain } from "./works/drain.ts";
import { footprint } from "./works/footprint.ts";
import { future } from "./works/future.ts";
import { http } from "./works/http.ts";
import { latency } from "./works/latency.ts";
import { oldTransaction } from "./works/old_transaction.ts";
import { single } from "./works/single.ts";
import { slots } from "./works/slots.ts";
import { steady } from "./works/steady.ts";
import { wal } from "./works/wal.ts";

export const WORKS: readonly Work[] = [
  bulk,
  single,
  drain,
  steady,
  latency,
  backlog,
  future,
  crowd,
  oldTransaction,
  slots,
  http,
  wal,
  footprint,
];
