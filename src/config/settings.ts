import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { DEFAULT_QUEUE, NAME_PATTERN } from "../job/job.ts";
import { AGENT_SETTINGS } from "./agent_settings.ts";
import { callsPerMinute, flag, hours, integer, type Meaning, milliseconds, oneOf } from "./row.ts";

/** Below this a key can be guessed. */
const SHORTEST_API_KEY = 16;
/** Jobs of one process share its memory and its event loop. */
const MOST_SLOTS = 10_000;
/** Of a queue that is worked on without being named in the settings. */
export const SLOTS = 100;

/**
 * Every setting: its type, its default, its meaning. Flags, environment variables, the help and the README's table
 * derive from this list. What needs no operator's hand is a constant where it works, not a row here.
 */
export const SETTINGS = {
  role: oneOf(["all", "api", "worker"], {
    default: "all",
    bare: "ROLE",
    description: "What this process runs: the HTTP API, the jobs, or both",
  }),
  host: Type.String({
    default: "127.0.0.1",
    pattern: "^[A-Za-z0-9_.:%-]+$",
    expects: "a host name or an address",
    placeholder: "address",
    description: "Address of the HTTP server; any but loopback needs an API key",
  }),
  port: integer({
    default: 8082,
    minimum: 0,
    maximum: 65_535,
    bare: "PORT",
    description: "Port of the HTTP server; 0 takes any free one",
  }),
  databaseUrl: Type.Optional(
    Type.String({
      pattern: "^postgres(ql)?://\\S+$",
      expects: "postgres://user:password@host:5432/database",
      placeholder: "url",
      defaultText: "embedded PostgreSQL",
      bare: "DATABASE_URL",
      secret: true,
      description: "PostgreSQL 14 or later; without it one runs inside, in the data directory",
    }),
  ),
  dataDir: Type.String({
    minLength: 1,
    expects: "a folder",
    placeholder: "folder",
    defaultText: "$STATE_DIRECTORY or the user's data folder; root: /var/lib/jobsvc",
    description: "Data of the embedded PostgreSQL",
  }),
  apiKeys: Type.Array(Type.String({ pattern: `^[!-+\\--~]{${SHORTEST_API_KEY},}$` }), {
    default: [],
    expects: `keys of at least ${SHORTEST_API_KEY} printable characters, separated by commas`,
    placeholder: "key,…",
    secret: true,
    description: "Keys that open everything, to begin with; jobsvc keys create makes better ones",
  }),
  enqueuePerMinute: callsPerMinute({
    default: 60_000,
    description: "Calls a minute that create jobs, for each key and node; 0 for no limit",
  }),
  readPerMinute: callsPerMinute({
    default: 60_000,
    description: "Calls a minute that read, for each key and node; 0 for no limit",
  }),
  workPerMinute: callsPerMinute({
    default: 120_000,
    description:
      "Calls a minute by which workers over HTTP take, tell of and end jobs, likewise; 0 for no limit",
  }),
  managePerMinute: callsPerMinute({
    default: 6_000,
    description: "Calls a minute that manage jobs, queues or keys, for each key and node; 0 for no limit",
  }),
  queues: Type.Optional(
    Type.Array(
      Type.Object({
        name: Type.String({ pattern: NAME_PATTERN }),
        slots: Type.Integer({ minimum: 1, maximum: MOST_SLOTS }),
      }),
      {
        minItems: 1,
        expects: `name:slots, separated by commas, with 1 to ${MOST_SLOTS} slots each`,
        placeholder: "name:slots,…",
        defaultText: `${DEFAULT_QUEUE}:${SLOTS}, and ${SLOTS} for each that handlers name`,
        description: "Queues worked on here, and how many jobs of each run at once",
      },
    ),
  ),
  handlers: Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    expects: "folders, separated by commas",
    placeholder: "folder,…",
    description: "Folders with handlers of your own: each *.ts file in them is a kind of job",
  }),
  watch: flag({
    default: false,
    description: "Start anew at every change in the folders of handlers; for development",
  }),
  handlerThreads: integer({
    default: 10,
    minimum: 1,
    maximum: 1_000,
    description: "How many jobs run at once of the kinds that run in threads",
  }),
  graceMs: milliseconds({
    default: 30_000,
    description: "How long running jobs may go on after a stop signal; then they are released",
  }),
  workerTtlMs: milliseconds({
    default: 15_000,
    minimum: 1_000,
    description: "How long a worker may be silent before its jobs go to others",
  }),
  pollIntervalMs: milliseconds({
    default: 1_000,
    minimum: 10,
    description: "How often a worker looks for work that nothing announced",
  }),
  jobTimeoutMs: milliseconds({
    default: 30 * 60 * 1000,
    minimum: 1,
    description: "Time limit of an attempt whose job names none",
  }),
  maxLosses: integer({
    default: 3,
    minimum: 1,
    maximum: 100,
    description: "How many workers may die with a job before it ends as failed",
  }),
  databaseConnections: integer({
    default: 6,
    minimum: 2,
    maximum: 50,
    description: "Connections to the database; more than a few make it slower",
  }),
  databasePrepare: flag({
    default: true,
    description: "Prepared statements; off behind a pooler in transaction mode",
  }),
  probePort: Type.Optional(
    integer({
      minimum: 0,
      maximum: 65_535,
      defaultText: "none",
      description: "Port for /livez and /readyz of a process that is only a worker",
    }),
  ),
  logLevel: oneOf(["debug", "info", "warn", "error"], {
    default: "info",
    description: "The least important lines that are written",
  }),
  logFormat: oneOf(["auto", "json", "pretty"], {
    default: "auto",
    description: "JSON lines or lines for people; auto is pretty on a terminal",
  }),
  ...AGENT_SETTINGS,
  retentionCompletedHours: hours({ default: 24, description: "How long completed jobs are kept" }),
  retentionCancelledHours: hours({ default: 24, description: "How long cancelled jobs are kept" }),
  retentionFailedHours: hours({ default: 7 * 24, description: "How long failed jobs are kept" }),
  migrate: flag({
    default: true,
    description: "Bring the schema up to date at start; else an old one is refused",
  }),
};

const Settings = Type.Object(SETTINGS);

export type Settings = Static<typeof Settings>;

export type SettingKey = keyof Settings;

export type Setting = TSchema & Meaning;

/** The table as a list, in its order. */
export const SETTING_ROWS = Object.entries(SETTINGS) as [SettingKey, Setting][];
