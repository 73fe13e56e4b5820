import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, type Registry } from "prom-client";
import { droppedLines } from "./output.ts";

/** How often the event loop is looked at. */
const LAG_RESOLUTION_MS = 20;

const NS_PER_S = 1e9;
const US_PER_S = 1e6;

/** The process as the system sees it. The library's own set is made for Node: most of it means nothing here. */
export function processMetrics(
  registry: Registry,
  { version, role }: { version: string; role: string },
): void {
  const registers = [registry];
  new Gauge({
    name: "jobsvc_build_info",
    help: "Always 1; the labels say what runs.",
    labelNames: ["version", "role", "bun"],
    registers,
  }).set({ version, role, bun: Bun.version }, 1);

  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Memory that the process holds.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: "process_heap_bytes",
    help: "Memory that its JavaScript uses.",
    registers,
    collect() {
      this.set(process.memoryUsage().heapUsed);
    },
  });
  new Counter({
    name: "process_cpu_seconds_total",
    help: "Processor time, of the user and the system together.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / US_PER_S);
    },
  });
  new Gauge({
    name: "process_start_time_seconds",
    help: "When the process started, in seconds since 1970.",
    registers,
  }).set(Math.round(Date.now() / 1_000 - process.uptime()));

  new Counter({
    name: "jobsvc_log_lines_dropped_total",
    help: "Lines of the log that nobody took: the reader of stdout was far behind, or had gone.",
    registers,
    collect() {
      this.reset();
      this.inc(droppedLines());
    },
  });

  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  lag.enable();
  new Gauge({
    name: "jobsvc_event_loop_lag_seconds",
    help: "How late the event loop was since the last scrape.",
    labelNames: ["is"],
    registers,
    collect() {
      const measured = lag.count > 0;
      this.set({ is: "mean" }, measured ? lag.mean / NS_PER_S : 0);
      this.set({ is: "max" }, measured ? lag.max / NS_PER_S : 0);
      lag.reset();
    },
  });
}
