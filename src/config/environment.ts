import { fileVariableOf, variableOf } from "./names.ts";
import { nearest } from "./nearest.ts";
import { SETTING_ROWS, type Setting, type SettingKey } from "./settings.ts";

export type Environment = Record<string, string | undefined>;

export type ReadFile = (path: string) => string;

/** The text somebody gave for a setting, and where: the name that a complaint about it begins with. */
export interface Given {
  source: string;
  text: string;
}

export interface FromEnvironment {
  given: Map<SettingKey, Given>;
  problems: string[];
}

/** What the environment says. A variable of ours that we do not know is a problem: a typo must not lose a setting. */
export function readEnvironment(env: Environment, readFile: ReadFile): FromEnvironment {
  const given = new Map<SettingKey, Given>();
  const problems = unknownVariables(env);
  for (const [key, setting] of SETTING_ROWS) {
    try {
      const found = lookUp(key, setting, env, readFile);
      if (found) given.set(key, found);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return { given, problems };
}

function lookUp(key: SettingKey, setting: Setting, env: Environment, readFile: ReadFile): Given | undefined {
  const variable = variableOf(key);
  const file = setting.secret ? env[fileVariableOf(key)] : undefined;
  const text = isServiceLink(variable, env[variable]) ? undefined : env[variable];
  if (file !== undefined && text !== undefined)
    throw new Error(`${variable} and ${fileVariableOf(key)} are both set: leave one out`);
  if (file !== undefined) return fromFile(fileVariableOf(key), file, readFile);
  if (text !== undefined) return { source: variable, text };
  const bare = setting.bare && env[setting.bare];
  return bare === undefined ? undefined : { source: setting.bare!, text: bare };
}

function fromFile(source: string, path: string, readFile: ReadFile): Given {
  try {
    return { source, text: readFile(path).trim() };
  } catch (error) {
    const reason = (error as { code?: unknown }).code ?? "it cannot be read";
    throw new Error(`${source}: ${JSON.stringify(path)}: ${reason}`, { cause: error });
  }
}

function unknownVariables(env: Environment): string[] {
  const known = SETTING_ROWS.flatMap(([key, setting]) =>
    setting.secret ? [variableOf(key), fileVariableOf(key)] : [variableOf(key)],
  );
  return Object.keys(env)
    .filter((name) => name.startsWith("JOBSVC_") && !known.includes(name) && !isServiceLink(name, env[name]))
    .map((name) => {
      const meant = nearest(name, known);
      return `${name}: unknown variable${meant ? `, did you mean ${meant}?` : ""}`;
    });
}

/**
 * Kubernetes gives every pod variables for each Service in its namespace: beside a Service called `jobsvc` there is
 * `JOBSVC_PORT=tcp://10.0.0.1:8082`, which is not for us.
 */
function isServiceLink(name: string, text: string | undefined): boolean {
  return (
    /_SERVICE_(HOST|PORT(_.+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(text ?? ""))
  );
}
