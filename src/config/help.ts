import { flagOf, variableOf } from "./names.ts";
import { SETTING_ROWS, type Setting, type SettingKey } from "./settings.ts";

const INTRODUCTION = `jobsvc runs background jobs: one executable on plain Postgres.

Usage:
  jobsvc [serve] [settings]       run the service
  jobsvc migrate [settings]       bring the database's schema up to date, and exit
  jobsvc keys create --scopes=… [--name=…] [--user-id=…] [--expires=30d]
      [--queues=a,b] [--kinds=x,y] [settings]
  jobsvc keys list | keys revoke ID [settings]
                                  make, show and withdraw API keys in the database
  jobsvc agents rotate-secrets [settings]
                                  encrypt the secrets of agents anew, under the first of the keys
  jobsvc handlers check [settings]
                                  load the handlers, and say which kinds they are or what is wrong with them
  jobsvc handlers init [folder]   make a folder of handlers to begin with, "handlers" unless it is named
  jobsvc selftest --database-url=…
                                  show on this database server that nothing is lost: in a scratch database, with
                                  workers that are killed and connections that are dropped
  jobsvc healthcheck [settings]   ask the service on this machine whether it is ready; exit code 0 means yes
  jobsvc --help | --version

Examples:
  jobsvc
      the API and the jobs in one process, on a PostgreSQL of its own
  jobsvc --handlers=handlers --watch
      the same with kinds of your own, started anew whenever a handler changes
  DATABASE_URL=postgres://jobs@db/jobs jobsvc --role=worker --queues=default:50,mail:5
      one more worker on a database that others use too`;

const SOURCES = `Each setting is also an environment variable: --poll-interval-ms is JOBSVC_POLL_INTERVAL_MS.
DATABASE_URL, PORT and ROLE are read too. A flag wins over the environment.
Everybody on a machine can see flags: give secrets in the environment, or in files that
JOBSVC_DATABASE_URL_FILE, JOBSVC_API_KEYS_FILE and JOBSVC_SECRETS_KEYS_FILE name.`;

const EXIT_CODES =
  "Exit codes: 0 fine, 2 wrong usage, 69 database unavailable, 70 internal error, 78 wrong settings.";

/** What `--help` prints. */
export function helpText(): string {
  const settings = SETTING_ROWS.map(
    ([key, setting]) => `  ${usageOf(key, setting)}\n      ${setting.description} (${defaultOf(setting)})`,
  );
  return [INTRODUCTION, ["Settings:", ...settings].join("\n"), SOURCES, EXIT_CODES].join("\n\n");
}

/** The README's table of settings, in Markdown. */
export function settingsTable(): string {
  const rows = SETTING_ROWS.map(([key, setting]) => [
    code(usageOf(key, setting)),
    [variableOf(key), ...(setting.bare ? [setting.bare] : [])].map(code).join(" "),
    setting.defaultText ?? code(defaultOf(setting)),
    setting.description,
  ]);
  return [["flag", "environment", "default", "meaning"], ["---", "---", "---", "---"], ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n");
}

function usageOf(key: SettingKey, setting: Setting): string {
  if (setting.type === "boolean") return flagOf(key).replace("--", "--[no-]");
  return `${flagOf(key)} <${setting.enum?.join("|") ?? setting.placeholder}>`;
}

function defaultOf(setting: Setting): string {
  if (setting.defaultText) return setting.defaultText;
  return Array.isArray(setting.default) && setting.default.length === 0 ? "none" : String(setting.default);
}

function code(text: string): string {
  return `\`${text}\``;
}
