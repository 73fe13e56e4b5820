import { onTestFinished } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder with these files, gone after the test. */
export async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "jobsvc-handlers-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await Bun.write(join(folder, name), text);
  return folder;
}

/** The text of a handler's file; `members` go on top of what every job needs. */
export function handlerFile(kind: string, members = ""): string {
  return `import { defineJob, Type } from "jobsvc";

export default defineJob({
  kind: "${kind}",
  payload: Type.Object({ to: Type.String() }),
  ${members}
  run: (payload) => ({ sent: payload.to }),
});
`;
}
