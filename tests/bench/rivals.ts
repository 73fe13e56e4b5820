import { join } from "node:path";
import type { Contender } from "./contender.ts";
import { dependencies } from "./package.json";

/** Each in a Node process of its own, as its users run it. */
export const RIVALS: Contender[] = [
  rival("graphile-worker", "graphile_worker.mjs", "local queue and batches; done jobs are deleted"),
  rival("pg-boss", "pg_boss.mjs", "fetch and complete by 500; done jobs are kept"),
];

function rival(name: keyof typeof dependencies, program: string, through: string): Contender {
  return {
    name,
    version: dependencies[name],
    through,
    async measure({ url }, jobs) {
      const process = Bun.spawn(["node", join(import.meta.dir, "rivals", program), url, String(jobs)], {
        stdout: "pipe",
        stderr: "inherit",
      });
      const output = await new Response(process.stdout).text();
      if ((await process.exited) !== 0) throw new Error(`${name} failed`);
      return JSON.parse(output.trim().split("\n").at(-1)!);
    },
  };
}
