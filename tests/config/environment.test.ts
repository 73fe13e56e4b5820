import { expect, test } from "bun:test";
import { readEnvironment } from "../../src/config/environment.ts";

test("secrets may be in files", () => {
  const files: Record<string, string> = { "/run/secrets/db": "postgres://ada:secret@db/jobs\n" };
  const { given, problems } = readEnvironment(
    { JOBSVC_DATABASE_URL_FILE: "/run/secrets/db", DATABASE_URL: "postgres://other/db" },
    (path) => files[path] ?? "",
  );
  expect(problems).toEqual([]);
  expect(given.get("databaseUrl")).toEqual({
    source: "JOBSVC_DATABASE_URL_FILE",
    text: "postgres://ada:secret@db/jobs",
  });
});

test("a file that cannot be read is named, with the reason", () => {
  const missing = () => {
    throw Object.assign(new Error("ENOENT: no such file or directory"), { code: "ENOENT" });
  };
  const { problems } = readEnvironment({ JOBSVC_API_KEYS_FILE: "/nowhere" }, missing);
  expect(problems).toEqual(['JOBSVC_API_KEYS_FILE: "/nowhere": ENOENT']);
});

test("a secret both in a file and in a variable is ambiguous", () => {
  const env = { JOBSVC_API_KEYS: "0123456789abcdef", JOBSVC_API_KEYS_FILE: "/keys" };
  expect(read(env).problems).toEqual([
    "JOBSVC_API_KEYS and JOBSVC_API_KEYS_FILE are both set: leave one out",
  ]);
});

test("only secrets are read from files", () => {
  expect(read({ JOBSVC_PORT_FILE: "/port" }).problems).toHaveLength(1);
});

test("a variable of ours that we do not know is a problem, one of somebody else is not", () => {
  const { problems } = read({ JOBSVC_PRT: "1", JOBSVC_SOMETHING: "1", JOBS: "1", JOBSVCPORT: "1" });
  expect(problems).toEqual([
    "JOBSVC_PRT: unknown variable, did you mean JOBSVC_PORT?",
    "JOBSVC_SOMETHING: unknown variable",
  ]);
});

test("what Kubernetes sets beside Services that are called jobsvc or jobsvc-api is not for us", () => {
  const { given, problems } = read({
    JOBSVC_SERVICE_HOST: "10.0.0.1",
    JOBSVC_SERVICE_PORT: "8082",
    JOBSVC_SERVICE_PORT_HTTP: "8082",
    JOBSVC_PORT: "tcp://10.0.0.1:8082",
    JOBSVC_PORT_8082_TCP: "tcp://10.0.0.1:8082",
    JOBSVC_PORT_8082_TCP_PROTO: "tcp",
    JOBSVC_PORT_8082_TCP_PORT: "8082",
    JOBSVC_PORT_8082_TCP_ADDR: "10.0.0.1",
    JOBSVC_API_SERVICE_HOST: "10.0.0.2",
    JOBSVC_API_PORT: "tcp://10.0.0.2:8082",
  });
  expect(problems).toEqual([]);
  expect(given.size).toBe(0);
});

function read(env: Record<string, string>) {
  return readEnvironment(env, () => "");
}
