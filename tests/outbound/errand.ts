import type { Errand, Outcome } from "./program.ts";

const SOURCE = [process.execPath, `${import.meta.dir}/program.ts`];

/** Sends the program out, in this environment and no other. */
export async function run(errand: Errand, env: Record<string, string>, command = SOURCE): Promise<Outcome> {
  const child = Bun.spawn([...command, JSON.stringify(errand)], { env, stdout: "pipe", stderr: "ignore" });
  return JSON.parse(await new Response(child.stdout).text());
}
