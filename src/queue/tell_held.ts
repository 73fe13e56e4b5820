import type { Database } from "../db/connect.ts";
import type { EventType } from "../job/event.ts";
import { MAX_ATTEMPT_BYTES, MAX_ATTEMPT_LINES } from "../job/line_data.ts";
import type { AttemptKey } from "./end.ts";

/** `full`: it has told all that is kept of an attempt. `ended`: it has an ending, so nothing is added any more. */
export type TellAnswer = "told" | "full" | "ended";

export interface HeldLine {
  type: EventType;
  /** JSON text of an object, without line breaks. */
  data: string;
}

/** How far an attempt's story goes. */
interface Told {
  lines: number;
  bytes: number;
}

/**
 * Writes what an attempt tells that no process of ours runs, and so none numbers: the line gets the next number.
 *
 * Guarantees: of lines that are told at once none is lost, none is there twice, and each is seen after those with a
 * smaller number. An ending that is being written in this very moment may still be followed by a line.
 */
export async function tellHeld(db: Database, attempt: AttemptKey, line: HeldLine): Promise<TellAnswer> {
  const tellingId = crypto.randomUUID();
  for (;;) {
    const told = await readTold(db, attempt);
    if (told.lines >= MAX_ATTEMPT_LINES || told.bytes >= MAX_ATTEMPT_BYTES) return "full";
    const { open, written } = await writeLine(db, attempt, line, { seq: told.lines + 1, tellingId });
    if (written) return "told";
    if (!open) return "ended";
    // Somebody else took the number; the next round finds theirs.
  }
}

async function readTold(db: Database, { jobId, attempt }: AttemptKey): Promise<Told> {
  const [told] = await db.run(
    (sql) => sql<Told[]>`
    select coalesce(max(seq), 0) as lines, coalesce(sum(pg_column_size(data)), 0)::float8 as bytes
    from jobsvc.events
    where job_id = ${jobId} and attempt = ${attempt}`,
  );
  return told!;
}

/** The id is written with the line: by it a repeat knows that it was its own first try that took the number. */
async function writeLine(
  db: Database,
  { jobId, attempt }: AttemptKey,
  { type, data }: HeldLine,
  { seq, tellingId }: { seq: number; tellingId: string },
): Promise<{ open: boolean; written: boolean }> {
  const [answer] = await db.run(
    (sql) => sql<{ open: boolean; written: boolean }[]>`
    with open as materialized (
      select from jobsvc.jobs
      where id = ${jobId}
        and not exists (select from jobsvc.attempts where job_id = ${jobId} and attempt = ${attempt})
    ),
    written as (
      insert into jobsvc.events (job_id, attempt, seq, type, data, telling_id)
      select ${jobId}, ${attempt}, ${seq}, ${type}, ${data}::text::json, ${tellingId}::uuid from open
      on conflict do nothing
      returning seq
    )
    select exists (select from open) as open,
      exists (select from written) or exists (
        select from jobsvc.events
        where job_id = ${jobId} and attempt = ${attempt} and seq = ${seq} and telling_id = ${tellingId}::uuid
      ) as written`,
  );
  return answer!;
}
