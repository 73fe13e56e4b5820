import { api } from "./api.ts";
import { freePort } from "./free_port.ts";
import type { Launched, LaunchOptions } from "./service.ts";
import { until } from "./until.ts";

export interface Watching extends Launched {
  client: ReturnType<typeof api>;
  /** Waits until the n-th service that it started, from 1, runs. Answers its process id. */
  runs(time: number): Promise<number>;
  /** Waits until it has told this to the person at the terminal. */
  told(text: string): Promise<unknown>;
}

/** Starts `--watch` on a folder. All the services that it starts have one port. */
export async function startWatching(
  launch: (args: string[], options: LaunchOptions) => Launched,
  folder: string,
  env: Record<string, string>,
): Promise<Watching> {
  const port = await freePort();
  const client = api(`http://127.0.0.1:${port}`);
  const watching = launch([`--handlers=${folder}`, "--watch", `--port=${port}`], { env });

  async function runs(time: number) {
    const started = await until(`service ${time} to run`, () => {
      return watching.log().filter(({ event }) => event === "worker.started")[time - 1];
    });
    const { workers } = (await (await client.get("/api/workers")).json()) as {
      workers: { worker_id: string; name: string }[];
    };
    const worker = workers.find(({ worker_id }) => worker_id === started.worker_id);
    return Number(worker!.name.split("/").at(-1));
  }

  return {
    ...watching,
    client,
    runs,
    told: (text) => until(`"${text}"`, () => watching.stderr().includes(text)),
  };
}
