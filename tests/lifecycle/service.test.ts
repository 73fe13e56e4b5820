import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Service, startAll, stopAll, together } from "../../src/lifecycle/service.ts";

test("services start in order, each after the one before it, and stop in reverse", async () => {
  const { diary, service } = diarist();
  const services = [service("database"), service("worker"), service("api")];
  await startAll(services);
  await stopAll(services);
  expect(diary).toEqual([
    "database starts",
    "database started",
    "worker starts",
    "worker started",
    "api starts",
    "api started",
    "api stops",
    "api stopped",
    "worker stops",
    "worker stopped",
    "database stops",
    "database stopped",
  ]);
});

test("when one does not start, those before it are stopped and those after it never start", async () => {
  const { diary, service } = diarist();
  const cause = new Error("the port is taken");
  const services = [service("database"), service("api", { start: cause }), service("worker")];
  const failure = await startAll(services).catch((error) => error);
  expect(failure.message).toBe("api did not start: the port is taken");
  expect(failure.cause).toBe(cause);
  expect(diary).toEqual([
    "database starts",
    "database started",
    "api starts",
    "database stops",
    "database stopped",
  ]);
});

test("the failure to start is the one that is told, even if stopping fails as well", async () => {
  const { service } = diarist();
  const services = [
    service("database", { stop: new Error("stuck") }),
    service("api", { start: "no" as never }),
  ];
  await expect(startAll(services)).rejects.toThrow("api did not start: no");
});

test("a service that does not stop does not keep the others from stopping, and all failures are told", async () => {
  const { diary, service } = diarist();
  const failing = ["one", "two"].map((name) => service(name, { stop: new Error("stuck") }));
  const failure = await stopAll([service("first"), ...failing]).catch((error) => error);
  expect(failure).toBeInstanceOf(AggregateError);
  expect(failure.errors.map(({ message }: Error) => message)).toEqual(["two: stuck", "one: stuck"]);
  expect(diary.at(-1)).toBe("first stopped");
});

test("whichever fail: what started is what stops, in reverse", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ start: fc.boolean(), stop: fc.boolean() })), async (fates) => {
      const { diary, service } = diarist();
      const services = fates.map(({ start, stop }, index) =>
        service(String(index), {
          ...(start && { start: new Error("no start") }),
          ...(stop && { stop: new Error("no stop") }),
        }),
      );
      const started = await startAll(services).then(
        () => fates.length,
        () => fates.findIndex(({ start }) => start),
      );
      if (started === fates.length) await stopAll(services).catch(() => undefined);
      const names = (word: string) =>
        diary.filter((line) => line.endsWith(word)).map((line) => line.split(" ")[0]);
      expect(names("stops")).toEqual(names("started").toReversed());
      expect(names("started")).toHaveLength(started);
    }),
  );
});

test("together they start without waiting for each other, and the next one waits for all", async () => {
  const { diary, service } = diarist();
  await startAll([together("both", [service("http"), service("presence")]), service("pools")]);
  expect(diary).toEqual([
    "http starts",
    "presence starts",
    "http started",
    "presence started",
    "pools starts",
    "pools started",
  ]);
});

test("when one of several does not start, the others are stopped, be it that they would never have started", async () => {
  const { diary, service } = diarist();
  const endless = { ...service("presence"), start: () => new Promise<void>(() => {}) };
  const cause = new Error("the port is taken");
  const services = [service("database"), together("both", [endless, service("http", { start: cause })])];
  const failure = await startAll(services).catch((error) => error);
  expect(failure.message).toBe("both did not start: http: the port is taken");
  expect(failure.cause.cause).toBe(cause);
  expect(diary).toContain("presence stopped");
  expect(diary.at(-1)).toBe("database stopped");
});

/** Services that write down what happens to them. */
function diarist() {
  const diary: string[] = [];
  function service(name: string, failures: { start?: Error; stop?: Error } = {}): Service {
    return {
      name,
      async start() {
        diary.push(`${name} starts`);
        await undefined;
        if (failures.start) throw failures.start;
        diary.push(`${name} started`);
      },
      async stop() {
        diary.push(`${name} stops`);
        await undefined;
        if (failures.stop) throw failures.stop;
        diary.push(`${name} stopped`);
      },
    };
  }
  return { diary, service };
}
