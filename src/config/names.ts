import { SETTING_ROWS, type Setting, type SettingKey } from "./settings.ts";

/** `pollIntervalMs` is `--poll-interval-ms` on the command line … */
export function flagOf(key: SettingKey): string {
  return `--${words(key).join("-")}`;
}

/** … and `JOBSVC_POLL_INTERVAL_MS` in the environment. */
export function variableOf(key: SettingKey): string {
  return ["JOBSVC", ...words(key)].join("_").toUpperCase();
}

/** Names the file that holds a secret, for platforms that mount secrets as files. */
export function fileVariableOf(key: SettingKey): string {
  return `${variableOf(key)}_FILE`;
}

export function settingOfFlag(flag: string): [SettingKey, Setting] | undefined {
  return SETTING_ROWS.find(([key]) => flagOf(key) === flag);
}

function words(key: SettingKey): string[] {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).split(" ");
}
