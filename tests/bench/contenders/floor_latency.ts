import { join } from "node:path";
import type { Latency } from "../contender.ts";
import { speaker } from "../speaker.ts";

const PROCESS = join(import.meta.dir, "floor_process.ts");

/** From before an HTTP call that commits a row until somebody hears of it; see `floor_process.ts`. */
export async function floorLatency(
  url: string,
  row: () => object,
  { samples, processes, limitMs }: Latency,
): Promise<number[]> {
  const start = (role: string) => speaker([process.execPath, PROCESS, url, role]);
  const api = start(processes === 1 ? "all" : "api");
  const worker = processes === 1 ? api : start("worker");
  const { url: address } = await api.hear<{ url: string }>();
  if (worker !== api) await worker.hear();
  const ms: number[] = [];
  const began = performance.now();
  while (ms.length < samples && performance.now() - began < limitMs) {
    const body = JSON.stringify(row());
    const sentAt = performance.timeOrigin + performance.now();
    const answer = await fetch(address, { method: "POST", body });
    await answer.text();
    ms.push((await worker.hear<{ at: number }>()).at - sentAt);
    await Bun.sleep(10 + 20 * Math.random());
  }
  await Promise.all(new Set([api, worker]).values().map((one) => one.finish()));
  return ms;
}
