import type { Dice } from "./random.ts";

/** What became of one try: done, surely not done, or nobody can tell. */
export type TryOutcome = "ok" | "failed" | "unknown";

export interface Try {
  atMs: number;
  ms: number;
  outcome: TryOutcome;
  /** Of the answer, if there was one. */
  status?: number;
  jobId?: string;
}

/** One job that a client wanted: the same key with every try, until one is acknowledged or it gives up. */
export interface Submission {
  /** Names the job in all accounts. */
  label: string;
  text: string;
  outcome: TryOutcome;
  jobId?: string;
  tries: Try[];
}

export interface JobWish {
  /** Fields of the request beside the payload. */
  fields?: Record<string, unknown>;
  /** What the handler is to do beside its call. */
  payload?: Record<string, unknown>;
  label?: string;
}

/** Whoever wants jobs done. It writes down every call with what it heard. The first of the four accounts. */
export interface Client {
  submissions: Submission[];
  /** One try with this key and body, which no account knows of. */
  ask(key: string, body: string): Promise<Try>;
  /** Asks until the job is acknowledged. Never throws: what became of it is in the submission. */
  submit(wish?: JobWish): Promise<Submission>;
  submitMany(count: number, wish?: JobWish): Promise<Submission[]>;
  /** Wants `rate` jobs a second until it is stopped; stopping waits for what is under way. */
  steady(rate: number, wish?: JobWish): { stop(): Promise<void> };
}

export interface ClientParts {
  /** Where the APIs answer, now. */
  urls: () => readonly string[];
  receiverUrl: string;
  dice: Dice;
}

/** Twice what the service promises, on a busy machine. */
const PATIENCE_MS = 15_000;
const PAUSE_MS = 100;
/** After a few tries in vain: thousands that ask ten times a second keep the machine from anything else. */
const LONGEST_PAUSE_MS = 2_000;
/** So long may an outage last before a client has had enough. */
const GIVE_UP_MS = 180_000;
/** How many calls are under way at most. */
const AT_ONCE = 32;
/**
 * And how many wait for an outage to end; whoever comes then finds no place to queue and leaves. Of more than 256 calls
 * the runtime would keep the rest here, and their time would look like that of the service.
 */
const MOST_UNDER_WAY = 200;
const USER = "123e4567-e89b-12d3-a456-426614174000";
const AGENT = "456e7890-e89b-12d3-a456-426614174001";

/** By the label, so that a repeat says the same. Letters, quotes, emoji: whatever may get lost between two encodings. */
const TEXTS = ["plain", 'ein "Zitat"', "\\back\\slash", "emoji \u{1f980}", "tab\tand\nline", "\u2028"];

export function openClient({ urls, receiverUrl, dice }: ClientParts): Client {
  const submissions: Submission[] = [];

  async function submit({ fields, payload, label = `job-${submissions.length}` }: JobWish = {}) {
    const submission: Submission = {
      label,
      text: `${TEXTS[Bun.hash.crc32(label) % TEXTS.length]} ${label}`,
      outcome: "failed",
      tries: [],
    };
    submissions.push(submission);
    const body = JSON.stringify({
      user_id: USER,
      resource_id: AGENT,
      resource_type: "call",
      payload: { url: receiverUrl, label, text: submission.text, ...payload },
      max_retries: 10,
      ...fields,
    });
    const giveUpAt = Date.now() + GIVE_UP_MS;
    while (Date.now() < giveUpAt) {
      const made = await call(label, body);
      submission.tries.push(made);
      // Once nobody could tell, a later refusal does not make it undone.
      if (made.outcome !== "failed" || submission.outcome === "failed") submission.outcome = made.outcome;
      if (made.outcome === "ok") {
        submission.jobId = made.jobId!;
        break;
      }
      if (made.status !== undefined && isFinal(made.status)) break;
      const pauseMs = Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** (submission.tries.length - 1));
      await Bun.sleep(dice.about(pauseMs));
    }
    return submission;
  }

  async function call(key: string, body: string): Promise<Try> {
    const atMs = Date.now();
    const known = (outcome: TryOutcome, status?: number) => ({
      atMs,
      ms: Date.now() - atMs,
      outcome,
      ...(status !== undefined && { status }),
    });
    try {
      const url = dice.pick(urls());
      if (url === undefined) return known("failed");
      const response = await fetch(`${url}/api/jobs/create`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": key },
        body,
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const answer = (await response.json()) as { job_id?: string };
      if (response.ok) return { ...known("ok", response.status), jobId: answer.job_id! };
      return known(response.status >= 500 ? "unknown" : "failed", response.status);
    } catch (error) {
      const refused = (error as { code?: string }).code === "ConnectionRefused";
      return known(refused ? "failed" : "unknown");
    }
  }

  return {
    submissions,
    ask: call,
    submit,
    async submitMany(count, wish) {
      const made: Submission[] = [];
      let left = count;
      await Promise.all(
        Array.from({ length: Math.min(count, AT_ONCE) }, async () => {
          while (left-- > 0) made.push(await submit(wish));
        }),
      );
      return made;
    },
    steady(rate, wish) {
      let stopped = false;
      const underWay = new Set<Promise<unknown>>();
      const sending = send();

      async function send() {
        const begunMs = performance.now();
        for (let sent = 0; !stopped; ) {
          // As many as are due by now: a busy machine sends late, but not fewer.
          for (; sent < ((performance.now() - begunMs) / 1_000) * rate && !stopped; sent++) {
            if (underWay.size >= MOST_UNDER_WAY) continue;
            const one: Promise<unknown> = submit(wish).finally(() => underWay.delete(one));
            underWay.add(one);
          }
          await Bun.sleep(1_000 / rate);
        }
      }

      return {
        async stop() {
          stopped = true;
          await sending;
          await Promise.all(underWay);
        },
      };
    },
  };
}

/** A refusal that no repeat will change. A key in use and too many calls are told to come again. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 409 && status !== 429;
}
