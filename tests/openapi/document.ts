import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request, testApp } from "../http/client.ts";
import { KINDS } from "./kinds.ts";

/** The document in a file of its own, for programs that read one. Gone when `using` ends. */
export async function documentFile(
  change: (text: string) => string = (text) => text,
): Promise<AsyncDisposable & { path: string }> {
  const folder = await mkdtemp(join(tmpdir(), "jobsvc-openapi-"));
  const path = join(folder, "openapi.json");
  const text = await (await request(testApp({ kinds: KINDS }).app, "GET", "/openapi.json")).text();
  await Bun.write(path, change(text));
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
