import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { version } from "../../package.json";
import { helpText } from "../../src/config/help.ts";
import { program } from "../support/binary.ts";

setDefaultTimeout(60_000);

const jobsvc = await program();

/** What a user sees of a command that has nothing to log. */
async function said(args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await jobsvc.run(args, env);
  return { code, stdout, stderr };
}

describe("jobsvc", () => {
  test.each([["--version"], ["-v"], ["version"]])("%s says which it is", async (flag) => {
    expect(await said([flag])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  test.each([["--help"], ["-h"], ["help"]])("%s says what it can do", async (flag) => {
    expect(await said([flag])).toEqual({ code: 0, stdout: `${helpText()}\n`, stderr: "" });
  });

  test("helps also when the settings are wrong", async () => {
    expect(await said(["--help", "--no-such-flag"], { PORT: "x", JOBSVC_NONSENSE: "1" })).toMatchObject({
      code: 0,
      stderr: "",
    });
  });

  test("does not start by a flag that it does not know, and says which was meant", async () => {
    const { code, stdout, stderr } = await said(["--prot=8080", "--role=api"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("--prot: unknown flag, did you mean --port?");
  });

  test("does not start by a command that it does not know", async () => {
    const { code, stderr } = await said(["migrat"]);
    expect(code).toBe(2);
    expect(stderr).toContain("migrat: unknown command, did you mean migrate?");
  });

  test("does not start with settings that cannot be, and names all of them", async () => {
    const { code, stdout, stderr } = await said(["--queues=default:0", "--role=boss"], {
      PORT: "eighty",
      DATABASE_URL: "mysql://user:Sup3rSecret@db/jobs",
      JOBSVC_API_KEYS: "tooshort",
      JOBSVC_POLL_INTERVALL_MS: "5",
    });
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    for (const name of [
      "--queues",
      "--role",
      "PORT",
      "DATABASE_URL",
      "JOBSVC_API_KEYS",
      "JOBSVC_POLL_INTERVALL_MS",
    ])
      expect(stderr).toContain(`  ${name}: `);
    expect(stderr).not.toContain("Sup3rSecret");
    expect(stderr).not.toContain("tooshort");
  });
});

describe("a database that is not there", () => {
  const password = "Sup3rSecret";

  async function expectUnavailable(url: string, args: string[] = []) {
    const { code, stdout, stderr, ms } = await jobsvc.run(["--port=0", ...args], { DATABASE_URL: url });
    expect(code).toBe(69);
    expect(ms).toBeLessThan(15_000);
    expect(stdout + stderr).not.toContain(password);
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!)).toMatchObject({
      level: "error",
      event: "process.failed",
      error: { message: expect.any(String) },
    });
  }

  test("because nothing listens, ends the start soon, and no secret is told", async () => {
    await expectUnavailable(`postgres://user:${password}@127.0.0.1:1/jobs`);
  });

  test("because its host has no address, too", async () => {
    await expectUnavailable(`postgres://user:${password}@no-such-host.invalid/jobs`);
  });

  test("because something else listens that never answers, too", async () => {
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    try {
      await expectUnavailable(`postgres://user:${password}@127.0.0.1:${silent.port}/jobs`);
    } finally {
      silent.stop(true);
    }
  });

  test("also when the schema is only looked at", async () => {
    await expectUnavailable(`postgres://user:${password}@127.0.0.1:1/jobs`, ["--no-migrate"]);
  });
});

describe("healthcheck", () => {
  test("of nothing says that nothing answers", async () => {
    const { code, stdout, stderr } = await said(["healthcheck", "--port=1"]);
    expect({ code, stdout }).toEqual({ code: 69, stdout: "" });
    expect(stderr).toContain("http://127.0.0.1:1/readyz does not answer");
  });

  test("of a worker needs its probe port", async () => {
    const { code, stderr } = await said(["healthcheck", "--role=worker"]);
    expect(code).toBe(69);
    expect(stderr).toContain("--probe-port");
  });
});
