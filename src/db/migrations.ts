import tables from "../../drizzle/0000_tables.sql" with { type: "text" };
import statesAndStorage from "../../drizzle/0001_states_and_storage.sql" with { type: "text" };
import wholeApi from "../../drizzle/0002_whole_api.sql" with { type: "text" };
import runningJobs from "../../drizzle/0003_running_jobs.sql" with { type: "text" };
import eventsByAttempt from "../../drizzle/0004_events_by_attempt.sql" with { type: "text" };
import eventStorage from "../../drizzle/0005_event_storage.sql" with { type: "text" };
import waysOut from "../../drizzle/0006_ways_out.sql" with { type: "text" };
import insertJob from "../../drizzle/0007_insert_job.sql" with { type: "text" };
import beatsOfJobs from "../../drizzle/0008_beats_of_jobs.sql" with { type: "text" };
import sensibleRows from "../../drizzle/0009_sensible_rows.sql" with { type: "text" };
import tellings from "../../drizzle/0010_tellings.sql" with { type: "text" };

export interface Migration {
  number: number;
  name: string;
  sql: string;
}

/**
 * Every migration, in order, embedded in the executable. Never edited after a release: the database
 * remembers the hash of what it ran. A test compares this list with the journal of drizzle-kit.
 */
export const MIGRATIONS: readonly Migration[] = [
  { number: 0, name: "tables", sql: tables },
  { number: 1, name: "states_and_storage", sql: statesAndStorage },
  { number: 2, name: "whole_api", sql: wholeApi },
  { number: 3, name: "running_jobs", sql: runningJobs },
  { number: 4, name: "events_by_attempt", sql: eventsByAttempt },
  { number: 5, name: "event_storage", sql: eventStorage },
  { number: 6, name: "ways_out", sql: waysOut },
  { number: 7, name: "insert_job", sql: insertJob },
  { number: 8, name: "beats_of_jobs", sql: beatsOfJobs },
  { number: 9, name: "sensible_rows", sql: sensibleRows },
  { number: 10, name: "tellings", sql: tellings },
];
