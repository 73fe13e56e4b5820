import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryDirectory } from "../support/embedded.ts";
import { INSTALL_MS, python, said } from "../support/python.ts";
import { type Service, startService } from "../support/service.ts";

/** The same at every run, so that a change is judged by what it changed. Another one looks elsewhere: FUZZ_SEED=… */
const SEED = process.env.FUZZ_SEED ?? "20261124";
const REQUIREMENTS = join(import.meta.dir, "requirements.txt");
const KEY = "key-for-the-fuzz";
/** More than three runs take where others keep the processor busy, and not for ever. */
const LONGEST_RUN_MS = 480_000;

async function service(env: Record<string, string> = {}): Promise<Service> {
  const dataDir = await temporaryDirectory("file");
  const quick = ["--ai-agent-simulation-ms=1", "--client-agent-simulation-ms=1"];
  return await startService({ args: ["--port=0", `--data-dir=${dataDir}`, ...quick], env, lives: "file" });
}

/** Lets schemathesis read the document of the service and try everything that it says. */
async function fuzz({ url }: Service, key: string | undefined, options: readonly string[]) {
  const command = [
    await python(REQUIREMENTS),
    "-m",
    "schemathesis.cli",
    "--no-color",
    `--config-file=${join(import.meta.dir, "schemathesis.toml")}`,
  ];
  const run = ["run", `${url}/openapi.json`, `--seed=${SEED}`, "--generation-database=none"];
  const bounds = ["--request-timeout=20", "--continue-on-failure"];
  const header = key === undefined ? [] : ["--header", `Authorization: Bearer ${key}`];
  const env = {
    SCHEMATHESIS_HOOKS: "hooks",
    PYTHONPATH: import.meta.dir,
    FUZZ_URL: url,
    FUZZ_KEY: key ?? "",
  };
  // It leaves notes of what it found where it runs.
  const cwd = await temporaryDirectory();
  const { exitCode, output } = await said([...command, ...run, ...bounds, ...header, ...options], env, cwd);
  const [cases] = output.match(/\d+ generated.*/) ?? ["it said nothing of its cases"];
  console.log(`schemathesis, seed ${SEED}: ${cases}`);
  if (exitCode !== 0) throw new Error(`FUZZ_SEED=${SEED} finds it again\n${output}`);
}

/** That nothing went wrong inside, either, and that the service is as well as before. */
async function expectUnharmed(service: Service) {
  const failures = service
    .log()
    .filter(({ event, level }) => event === "request.failed" || level === "error");
  expect(failures).toEqual([]);
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
}

describe("what the document says is what the service answers", () => {
  test("is installed", async () => expect(await python(REQUIREMENTS)).toEndWith("python"), INSTALL_MS);

  test(
    "to everybody, where there are no keys",
    async () => {
      const open = await service();
      // The first key would close the service, and everything else would be refused from then on.
      await fuzz(open, undefined, ["--max-examples=25", "--exclude-operation-id=createKey"]);
      await expectUnharmed(open);
    },
    LONGEST_RUN_MS,
  );

  test(
    "to who has a key, and to who has none",
    async () => {
      const closed = await service({ JOBSVC_API_KEYS: KEY });
      await fuzz(closed, KEY, ["--max-examples=25"]);
      await fuzz(closed, undefined, ["--phases=examples,coverage"]);
      await expectUnharmed(closed);
    },
    LONGEST_RUN_MS,
  );
});
