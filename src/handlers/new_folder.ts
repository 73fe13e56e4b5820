import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DECLARATIONS_FILE, declarations } from "./declarations.ts";

const EXAMPLE = `import { defineJob, HandlerError, Type } from "jobsvc";

export default defineJob({
  // The "resource_type" of the jobs that this file does.
  kind: "greeting",
  // Every payload is checked by it when its job is created, and has its type in "run".
  payload: Type.Object({
    name: Type.String({ minLength: 1 }),
    times: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })),
  }),
  // A job that fails is tried again, after 1, 16 and 81 seconds; and each try may take a minute.
  maxAttempts: 4,
  timeoutMs: 60_000,
  async run({ name, times = 1 }, { attempt, log, progress }) {
    // Retrying would not help here. Every other error is retried.
    if (name === "nobody") throw new HandlerError("there is nobody to greet", { retryAfter: false });
    log("greeting", { name, attempt });
    const greetings: string[] = [];
    for (let time = 1; time <= times; time++) {
      greetings.push(\`Hello \${name}!\`);
      progress((time / times) * 100);
    }
    // What it returns is the job's result.
    return { greetings };
  },
});
`;

/** As strict as handlers deserve, and with the globals that they have: those of the web. */
const TSCONFIG = `{
  "compilerOptions": {
    "target": "ESNext",
    "module": "ESNext",
    "moduleResolution": "bundler",
    "lib": ["ESNext", "DOM"],
    "strict": true,
    "isolatedModules": true,
    "allowImportingTsExtensions": true,
    "skipLibCheck": true,
    "noEmit": true
  },
  "include": ["**/*.ts"]
}
`;

export interface NewFile {
  path: string;
  about: string;
}

/** Files would have been overwritten. */
export class OccupiedError extends Error {
  override name = "OccupiedError";

  constructor(readonly paths: readonly string[]) {
    super(`these files are there already: ${paths.join(", ")}`);
  }
}

/** Makes a folder of handlers to begin with. Throws an OccupiedError, and changes nothing, where one of its files is. */
export async function newFolder(folder: string): Promise<NewFile[]> {
  const files = [
    { name: "greeting.ts", about: "a handler to begin with", text: () => EXAMPLE },
    { name: "tsconfig.json", about: "for editors and tsc", text: () => TSCONFIG },
    { name: DECLARATIONS_FILE, about: "the types of the module jobsvc", text: declarations },
  ].map((file) => ({ ...file, path: join(folder, file.name) }));
  const occupied = files.map(({ path }) => path).filter((path) => existsSync(path));
  if (occupied.length > 0) throw new OccupiedError(occupied);

  await mkdir(folder, { recursive: true });
  for (const { path, text } of files) await writeFile(path, await text(), { flag: "wx" });
  return files;
}
