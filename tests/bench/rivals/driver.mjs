// One task of the benchmark done by one rival, in a process of its own, as its users run it:
//   node driver.mjs <rival> <mode> <url> <task> <options as JSON>
// Speaks lines of JSON: hears on stdin, tells on stdout. Each rival is a file beside this one that exports `prepare`,
// `producer` and `worker`; how its modes differ is its own affair.
import { createInterface } from "node:readline";

/** Jobs in one call, and calls at the same time, when many are inserted at once. */
const BULK_JOBS = 5_000;
const BULK_CALLS = 2;
const TELL_EVERY_MS = 50;
/** With its number a payload of about a hundred bytes, the same for everybody. */
const TEXT = "x".repeat(70);

const [name, mode, url, task, json] = process.argv.slice(2);
const rival = await import(`./${name}.mjs`);
const options = JSON.parse(json);
const hearing = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const TASKS = { prepare, insert, single, drain, keep_working, produce, latency, ping, stamp };
await TASKS[task]();
// What was told may still be on its way.
process.stdout.write("", () => process.exit(0));

async function prepare() {
  await rival.prepare(url, mode);
  tell({});
}

async function insert() {
  const { jobs, dueInMs } = options;
  const producer = await rival.producer(url, mode, options);
  let sent = 0;
  const started = performance.now();
  await times(BULK_CALLS, async () => {
    while (sent < jobs) {
      const from = sent;
      sent = Math.min(jobs, from + BULK_JOBS);
      await producer.insert(payloads(from, sent), dueInMs);
    }
  });
  tell({ seconds: since(started) / 1_000 });
  await producer.close();
}

async function single() {
  const { jobs, callers, limitMs } = options;
  const producer = await rival.producer(url, mode, options);
  const ms = [];
  let sent = 0;
  const started = performance.now();
  await times(callers, async () => {
    while (sent < jobs && since(started) < limitMs) {
      const at = performance.now();
      await producer.add(payload(sent++));
      ms.push(since(at));
    }
  });
  tell({ ms, seconds: since(started) / 1_000 });
  await producer.close();
}

async function drain() {
  const { jobs, jobMs, limitMs } = options;
  const enough = Promise.withResolvers?.() ?? withResolvers();
  let done = 0;
  tell({ ready: true });
  await hear();
  const timer = setTimeout(enough.resolve, limitMs);
  const started = performance.now();
  const worker = await rival.worker(url, mode, options, async () => {
    if (jobMs > 0) await pause(jobMs);
    if (++done === jobs) enough.resolve();
  });
  await enough.promise;
  clearTimeout(timer);
  const cutShort = done < jobs;
  const counted = { jobs: done, seconds: since(started) / 1_000 };
  await worker.stop(); // returns when the completions are written
  tell(cutShort ? counted : { jobs: done, seconds: since(started) / 1_000 });
}

async function keep_working() {
  let done = 0;
  const worker = await rival.worker(url, mode, options, () => {
    done++;
  });
  tell({ ready: true });
  const telling = setInterval(() => tell({ done }), TELL_EVERY_MS);
  await hear();
  clearInterval(telling);
  await worker.stop();
}

/** Inserts as fast as it goes, but never more than `ahead` jobs ahead of those that it hears to be done. */
async function produce() {
  const { batch, calls, ahead } = options;
  const producer = await rival.producer(url, mode, options);
  let [sent, done, stopped] = [0, 0, false];
  tell({ ready: true });
  const inserting = times(calls, async () => {
    while (!stopped) {
      if (sent - done >= ahead) await pause(1);
      else {
        sent += batch;
        await producer.insert(payloads(sent - batch, sent));
      }
    }
  });
  for (let line = await hear(); line !== undefined; line = await hear()) done = line.done;
  stopped = true;
  await inserting;
}

/** From the insert of a job to its start, in this one process, which is idle otherwise. */
async function latency() {
  const { samples, limitMs } = options;
  const ms = [];
  let arrived = () => {};
  const worker = await rival.worker(url, mode, { ...options, eager: true }, ({ sentAt }) => {
    ms.push(wallMs() - sentAt);
    arrived();
  });
  const producer = await rival.producer(url, mode, { ...options, eager: true });
  const started = performance.now();
  while (ms.length < samples && since(started) < limitMs) {
    const arrival = new Promise((resolve) => {
      arrived = resolve;
    });
    await producer.add({ sentAt: wallMs() });
    await arrival;
    await idle();
  }
  tell({ ms });
  await producer.close();
  await worker.stop();
}

/** Sends a job whenever it is told to. */
async function ping() {
  const producer = await rival.producer(url, mode, { ...options, eager: true });
  tell({ ready: true });
  while (await hear()) await producer.add({ sentAt: wallMs() });
}

/** Tells of each job how long ago it was sent. */
async function stamp() {
  await rival.worker(url, mode, { ...options, eager: true }, ({ sentAt }) => tell({ ms: wallMs() - sentAt }));
  tell({ ready: true });
  await hear();
}

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** The next line; undefined when there is none any more. */
async function hear() {
  const { value, done } = await hearing.next();
  return done ? undefined : JSON.parse(value);
}

function payload(number) {
  return { number, text: TEXT };
}

function payloads(from, to) {
  return Array.from({ length: to - from }, (_, at) => payload(from + at));
}

function times(count, act) {
  return Promise.all(Array.from({ length: count }, act));
}

/** Comparable between the processes of a machine. */
function wallMs() {
  return performance.timeOrigin + performance.now();
}

function since(started) {
  return performance.now() - started;
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Long enough for everything to come to rest, and in no step with anybody's polls. */
function idle() {
  return pause(10 + 20 * Math.random());
}

function withResolvers() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
