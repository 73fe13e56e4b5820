import { describe, expect, test } from "bun:test";
import { DeadlineError } from "../src/db/deadline.ts";
import { EmbeddedError } from "../src/db/embedded/errors.ts";
import { SchemaError } from "../src/db/migrate.ts";
import { startAll, stopAll } from "../src/lifecycle/service.ts";
import { exitCodeOf } from "../src/serve.ts";

const UNAVAILABLE = 69;
const INTERNAL = 70;
const CONFIGURATION = 78;

const withCode = (code: string) => Object.assign(new Error(code), { code });

/** What is thrown when services fail to start, or to stop, for these reasons. */
async function thrownBy(act: "start" | "stop", reasons: unknown[]): Promise<unknown> {
  const services = reasons.map((reason, index) => ({
    name: `service ${index}`,
    start: () => (act === "start" ? Promise.reject(reason) : Promise.resolve()),
    stop: () => (act === "stop" ? Promise.reject(reason) : Promise.resolve()),
  }));
  return await (act === "start" ? startAll(services) : stopAll(services)).then(
    () => expect.unreachable(),
    (error) => error,
  );
}

describe("the exit code", () => {
  test.each([
    ["a database that does not answer", new DeadlineError("no answer"), UNAVAILABLE],
    ["a database that refuses connections", withCode("ECONNREFUSED"), UNAVAILABLE],
    ["a host without an address", withCode("ENOTFOUND"), UNAVAILABLE],
    ["a wrong password", withCode("28P01"), UNAVAILABLE],
    ["a database that does not exist", withCode("3D000"), UNAVAILABLE],
    ["an embedded database that cannot start", new EmbeddedError("no room"), UNAVAILABLE],
    ["a port that is taken", withCode("EADDRINUSE"), UNAVAILABLE],
    ["a schema that does not fit", new SchemaError("newer"), CONFIGURATION],
    ["a mistake of ours", new TypeError("undefined is not a function"), INTERNAL],
    ["what is not even an error", "a string", INTERNAL],
  ])("tells of %s, also when it keeps a service from starting or stopping", async (_, error, code) => {
    expect(exitCodeOf(error)).toBe(code);
    expect(exitCodeOf(await thrownBy("start", [error]))).toBe(code);
    expect(exitCodeOf(await thrownBy("stop", [error]))).toBe(code);
    expect(exitCodeOf(await thrownBy("stop", [error, error]))).toBe(code);
  });

  test("of several reasons says that something is wrong with us", async () => {
    const error = await thrownBy("stop", [withCode("ECONNREFUSED"), new TypeError("x")]);
    expect(exitCodeOf(error)).toBe(INTERNAL);
  });
});
