import type { AttemptRow, Books, JobRow } from "./books.ts";
import type { Submission } from "./client.ts";
import type { Call } from "./receiver.ts";

/** Something that must not be. */
export interface Finding {
  /** As the list of invariants names it. */
  invariant: string;
  what: string;
}

export interface Verdict {
  findings: Finding[];
  jobs: number;
  /** Acknowledged, and not there or not ended. */
  lost: number;
  /** Calls beyond the first of a job. */
  duplicated: number;
  /** Those among them that follow an attempt which failed, was lost or was given back. */
  explained: number;
  /** Attempts that were ended by two, or that were followed by another although their ending was final. */
  endedTwice: number;
  /** Innocent, but under way in three workers that were killed: the rule against poison cannot tell. */
  buried: number;
}

export interface Expectation {
  /** How the job of this label may end. */
  endsAs: (label: string) => readonly string[];
  /** Acknowledged jobs that are gone are counted, and no finding: a failover without a synchronous standby. */
  mayLose: boolean;
  /** Whether its worker was killed or stopped by us while it had the attempt in its hands. */
  harmed: (attempt: AttemptRow) => boolean;
}

/** Outcomes after which an attempt is followed by another, whatever the first one has done already. */
const EXPLAINS = new Set(["lost", "failed", "released", "snoozed"]);
/** Created, told again, a key in use, too many calls, and no database. */
const EXPECTED_ANSWERS = new Set([200, 201, 409, 429, 503]);
/** A client waits 5 s at most while the database is away. The rest is for a machine that is busy with both ends of the call. */
const LONGEST_ANSWER_MS = 7_000;
/** As `--max-losses` has it. */
const MAX_LOSSES = 3;
/** Clocks of the receiver and the database are one, but what is dated by two processes is rounded twice. */
const OVERLAP_MS = 100;

/** Compares the accounts of client, receiver, database and metrics. */
export function check(books: Books, { endsAs, mayLose, harmed }: Expectation): Verdict {
  const findings: Finding[] = [];
  const find = (invariant: string, what: string) => void findings.push({ invariant, what });

  const jobs = new Map(books.jobs.map((job) => [job.id, job]));
  const byLabel = Map.groupBy(books.jobs, (job) => job.label);
  const calls = Map.groupBy(books.calls, (call) => call.jobId);
  let lost = 0;
  let buried = 0;
  for (const submission of books.submissions) lost += checkSubmission(submission);
  for (const { status, ms } of books.submissions.flatMap(({ tries }) => tries)) {
    if (ms > LONGEST_ANSWER_MS) find("I25", `an answer took ${ms} ms`);
    if (status !== undefined && !EXPECTED_ANSWERS.has(status)) find("I25", `an answer was ${status}`);
  }
  for (const { key, jobIds } of books.keys)
    if (jobIds.length !== 1) find("I2", `the key ${key} has ${jobIds.length} jobs`);

  let duplicated = 0;
  let explained = 0;
  let endedTwice = 0;
  for (const job of books.jobs) checkJob(job, calls.get(job.id) ?? []);
  if (books.left.waiting > 0 || books.left.running > 0)
    find("I3", `${books.left.waiting} blocks still wait and ${books.left.running} leases still run`);
  checkMetrics();
  return { findings, jobs: books.jobs.length, lost, duplicated, explained, endedTwice, buried };

  /** Answers how many jobs were lost: one or none. */
  function checkSubmission({ label, jobId, outcome, text }: Submission): number {
    const rows = byLabel.get(label) ?? [];
    if (rows.length > 1) find("I2", `${label} became ${rows.length} jobs`);
    if (outcome === "failed" && rows.length > 0) find("I2", `${label} was refused and is there all the same`);
    if (outcome !== "ok") {
      find("I25", `${label} was never acknowledged`);
      return 0;
    }
    const row = jobs.get(jobId!);
    if (!row) {
      if (!mayLose) find("I1", `${label} was acknowledged as ${jobId} and is gone`);
      return 1;
    }
    if (row.text !== text) find("I21", `${label} is stored with another payload`);
    if (endsAs(label).includes(row.state)) return 0;
    if (isBuried(row)) {
      buried++;
      return 0;
    }
    find("I3", `${label} is ${row.state}, not ${endsAs(label).join(" or ")} (${row.id})`);
    return row.state === "completed" || row.state === "failed" || row.state === "cancelled" ? 0 : 1;
  }

  /** Crashed, and by our own record it was in the hands of enough workers when we killed them. */
  function isBuried({ attempts }: JobRow): boolean {
    return attempts.at(-1)?.reason === "crashed" && attempts.filter(harmed).length >= MAX_LOSSES;
  }

  function checkJob(job: JobRow, made: readonly Call[]) {
    checkAttempts(job);
    const outcomes = new Map(job.attempts.map((attempt) => [attempt.attempt, attempt.outcome]));
    const inOrder = made.toSorted((a, b) => a.attempt - b.attempt || a.atMs - b.atMs);
    for (const [place, call] of inOrder.entries()) {
      if (call.text !== job.text) find("I21", `${job.label} arrived with another payload`);
      const earlier = inOrder[place - 1];
      if (!earlier) continue;
      duplicated++;
      if (earlier.attempt < call.attempt && EXPLAINS.has(outcomes.get(earlier.attempt) ?? "")) explained++;
      else if (!mayLose)
        find(
          "I8",
          `${job.label}: call of attempt ${call.attempt} after one of attempt ${earlier.attempt}, ` +
            `which ended ${outcomes.get(earlier.attempt) ?? "never"} (${job.id})`,
        );
    }
    for (const { attempt, outcome } of job.attempts) {
      const done = made.some((call) => call.attempt === attempt && call.status === 200);
      if (outcome === "completed" && !done)
        find("I8", `${job.label}: attempt ${attempt} is completed without a call (${job.id})`);
    }
  }

  function checkAttempts({ id, label, attempts }: JobRow) {
    for (const [place, one] of attempts.entries()) {
      if (one.attempt !== place + 1) return find("I7", `${label}: attempt ${place + 1} is missing (${id})`);
      const next = attempts[place + 1];
      if (!next) continue;
      if (one.final) {
        endedTwice++;
        find(
          "I6",
          `${label}: attempt ${one.attempt} ended ${one.outcome} for good, and another followed (${id})`,
        );
      }
      if (overlap(one, next))
        find("I4", `${label}: attempts ${one.attempt} and ${next.attempt} overlap (${id})`);
    }
  }

  function checkMetrics() {
    const { told, counted } = books.metrics;
    for (const [state, jobs] of Object.entries(told ?? {}))
      if (jobs !== (counted[state] ?? 0))
        find("I19", `/api/stats tells ${jobs} ${state}, the history ${counted[state] ?? 0}`);
  }
}

/** What starts before its predecessor has ended was leased twice at once. */
function overlap(one: AttemptRow, next: AttemptRow): boolean {
  return next.startedMs < one.finishedMs - OVERLAP_MS;
}
