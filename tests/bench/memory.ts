/** What a process has in memory, in MB; as Linux tells it. */
export async function residentMb(pid: number): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(status.match(/^VmRSS:\s+(\d+) kB/m)?.[1]) / 1_024;
}
