import { describe, expect, test } from "bun:test";
import { DrizzleQueryError } from "drizzle-orm/errors";
import fc from "fast-check";
import postgres from "postgres";
import type { Emit } from "../../src/observability/events.ts";
import { createLog, type LogOptions } from "../../src/observability/log.ts";

const JOB = {
  job_id: "019a0000-0000-7000-8000-000000000001",
  kind: "ai_agent",
  queue: "default",
  attempt: 2,
  worker_id: "019a0000-0000-7000-8000-000000000002",
};

const SECRET = "p@ss:w/rd";
const URL_WITH_PASSWORD = `postgres://ada:${SECRET}@db:5432/jobs?sslmode=require`;

test("an event is one JSON object on one line, with its time, level, name, fields and a sentence", () => {
  const [line, ...rest] = written((emit) => emit("job.ended", { ...JOB, outcome: "completed", ms: 12 }));
  expect(rest).toEqual([]);
  const { time, ...said } = line!;
  expect(said).toEqual({
    level: "info",
    event: "job.ended",
    version: "1.2.3",
    role: "all",
    ...JOB,
    outcome: "completed",
    ms: 12,
    msg: "ai_agent completed after 12 ms",
  });
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test("durations are told without the noise of the clock", () => {
  const request = { method: "GET", path: "/", route: "/", status: 200, request_id: "1" };
  const lines = written((emit) => {
    for (const ms of [34.76052699999997, 0.4449999999, 12]) emit("http.request", { ...request, ms });
  });
  expect(lines.map(({ ms, msg }) => [ms, msg])).toEqual([
    [34.761, "GET / 200 in 35 ms"],
    [0.445, "GET / 200 in 0.4 ms"],
    [12, "GET / 200 in 12 ms"],
  ]);
});

test("what matters less than the level is not written", () => {
  const lines = written(
    (emit) => {
      emit("job.started", { ...JOB, waited_ms: 3 });
      emit("job.ended", { ...JOB, outcome: "failed", ms: 1, error: "no" });
      emit("request.failed", { request_id: "1", error: new Error("no") });
    },
    { level: "warn" },
  );
  expect(lines.map(({ level, event }) => [level, event])).toEqual([
    ["warn", "job.ended"],
    ["error", "request.failed"],
  ]);
});

test("probes are whispered, requests are told, failures are said aloud", () => {
  const request = { method: "GET", route: "/", ms: 1, request_id: "1" };
  const levels = written(
    (emit) => {
      emit("http.request", { ...request, path: "/livez", status: 200 });
      emit("http.request", { ...request, path: "/api/jobs", status: 200 });
      emit("http.request", { ...request, path: "/readyz", status: 503 });
    },
    { level: "debug" },
  ).map(({ level }) => level);
  expect(levels).toEqual(["debug", "info", "warn"]);
});

test("a key of an event stands once in its line, also when every line has it", () => {
  const text = writtenText((emit) => emit("process.started", { role: "all", version: "1.2.3" }));
  expect(text.match(/"role"/g)).toHaveLength(1);
  expect(text.match(/"version"/g)).toHaveLength(1);
});

describe("whatever is in names and errors", () => {
  test("a line stays a line, and a terminal is left alone", () => {
    const error = 'two\nlines, "quotes", \u001b[31mred\u001b[0m, \u0000, \u009b31m, \ud800 and %s %d %j';
    const emitting = (emit: Emit) => {
      emit("job.ended", { ...JOB, kind: "a\nb\u001b[2J", outcome: "failed", ms: 1, error });
      emit("step.failed", { step: "take", error: new Error(error) });
    };
    const text = writtenText(emitting);
    expect(text.trimEnd().split("\n")).toHaveLength(2);
    const pretty = writtenText(emitting, { format: "pretty" });
    expect(pretty.split("\n")[0]).toContain("a b[2J failed after 1 ms");
    for (const each of [text, pretty]) expect(each).not.toMatch(/[^\P{Cc}\n]|\p{Cs}/u);
  });

  test("any text at all makes one line that can be parsed", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.anything(), (text, anything) => {
        const lines = written((emit) => {
          emit("job.retrying", { ...JOB, kind: text, outcome: "failed", ms: 1, retry_in_ms: 2, error: text });
          emit("step.failed", { step: text, error: anything });
        });
        expect(lines).toHaveLength(2);
      }),
    );
  });

  test("a long text is cut", () => {
    const [line] = written((emit) => emit("notifications.degraded", { reason: "x".repeat(1_000_000) }));
    expect(JSON.stringify(line).length).toBeLessThan(50_000);
  });
});

describe("secrets", () => {
  test("the password of a database never appears", () => {
    const text = writtenText((emit) => {
      emit("notifications.degraded", { reason: `${URL_WITH_PASSWORD} and POSTGRESQL://:${SECRET}@h` });
      emit("job.ended", { ...JOB, outcome: "failed", ms: 1, error: `host=db password=${SECRET} user=ada` });
      emit("job.ended", { ...JOB, outcome: "failed", ms: 1, error: "GET https://ada:password@example.org/" });
      emit("step.failed", {
        step: URL_WITH_PASSWORD,
        error: new Error(URL_WITH_PASSWORD, { cause: new TypeError(`cannot parse ${URL_WITH_PASSWORD}`) }),
      });
      emit("step.failed", {
        step: "stop",
        error: new AggregateError([new Error(URL_WITH_PASSWORD)], "several"),
      });
    });
    expect(text).not.toContain("w/rd");
    expect(text).not.toContain("ada:password");
    expect(text).toContain("postgres://ada:***@db:5432/jobs?sslmode=require");
  });

  test("a URL without a password stays readable", () => {
    const reason = "postgres://db:5432/jobs, http://localhost:8082/api/jobs and ada@example.org";
    expect(written((emit) => emit("notifications.degraded", { reason }))[0]?.reason).toBe(reason);
  });
});

describe("errors", () => {
  test("have type, message and stack, and their causes too, but not without end", () => {
    let error = new TypeError("deepest");
    for (let depth = 0; depth < 20; depth++) error = new TypeError(`level ${depth}`, { cause: error });
    const [line] = written((emit) => emit("step.failed", { step: "take", error }));
    expect(line?.error).toMatchObject({
      type: "TypeError",
      message: "level 19",
      cause: { message: "level 18" },
    });
    expect(line?.error).toHaveProperty("stack", expect.stringContaining("log.test.ts"));
    expect(JSON.stringify(line).match(/"cause"/g)!.length).toBe(5);
  });

  test("that hold several tell each", () => {
    const error = new AggregateError([new Error("one"), "two"], "some services did not stop cleanly");
    const [line] = written((emit) => emit("step.failed", { step: "stop", error }));
    expect(line?.error).toMatchObject({
      type: "AggregateError",
      errors: [
        { type: "Error", message: "one" },
        { type: "string", message: "two" },
      ],
    });
  });

  test("of the database show code and message, but neither values nor details", () => {
    const answer = {
      message: "duplicate key value",
      code: "23505",
      detail: "Key (payload)=(classified) exists",
    };
    const refused = Object.assign(new postgres.PostgresError(answer as never), {
      query: "insert into jobs values ($1)",
      parameters: ["classified"],
    });
    const wrapped = new DrizzleQueryError(
      "insert into jobs values ($1)",
      ["classified\n    at home"],
      refused,
    );
    const [line] = written((emit) => emit("step.failed", { step: "take", error: wrapped }));
    expect(line?.error).toMatchObject({
      message: "Failed query: insert into jobs values ($1)",
      cause: { type: "PostgresError", message: "duplicate key value", code: "23505" },
    });
    expect(JSON.stringify(line)).not.toContain("classified");
    expect(line?.error).toHaveProperty("stack", expect.stringContaining("log.test.ts"));
  });

  test("may be anything that can be thrown", () => {
    const hostile = new Proxy(new Error("x"), {
      get() {
        throw new Error("no reading");
      },
    });
    const thrown = [undefined, null, 1n, Symbol("s"), () => 1, { a: 1 }, Object.create(null), hostile];
    expect(
      written((emit) => {
        for (const error of thrown) emit("request.failed", { request_id: "1", error });
      }),
    ).toHaveLength(thrown.length);
  });
});

describe("for people", () => {
  const started = (emit: Emit) => emit("job.started", { ...JOB, waited_ms: 3 });

  test("auto is pretty on a terminal and JSON elsewhere", () => {
    expect(writtenText(started, { format: "auto", isTerminal: true })).toMatch(
      /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: ai_agent started, attempt 2 \{/,
    );
    expect(written(started, { format: "auto" })).toHaveLength(1);
    expect(written(started, { format: "json", isTerminal: true })).toHaveLength(1);
  });

  test("there is colour on a terminal only, and only if it is wanted", () => {
    const ESCAPE = "\u001b[";
    expect(writtenText(started, { format: "pretty", isTerminal: true, color: true })).toContain(ESCAPE);
    expect(writtenText(started, { format: "pretty", isTerminal: true, color: false })).not.toContain(ESCAPE);
    expect(writtenText(started, { format: "pretty", isTerminal: false, color: true })).not.toContain(ESCAPE);
  });
});

function writtenText(emitting: (emit: Emit) => void, options: Partial<LogOptions> = {}): string {
  let text = "";
  const log = createLog({
    level: "info",
    format: "json",
    isTerminal: false,
    color: false,
    version: "1.2.3",
    role: "all",
    write: (bytes) => {
      text += Buffer.from(bytes).toString();
      return bytes.length;
    },
    ...options,
  });
  emitting(log.emit);
  log.close();
  return text;
}

function written(
  emitting: (emit: Emit) => void,
  options: Partial<LogOptions> = {},
): Record<string, unknown>[] {
  return writtenText(emitting, options)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}
