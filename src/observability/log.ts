import pino from "pino";
import { prettyFactory } from "pino-pretty";
import { loggedError } from "./error.ts";
import type { Emit, EventName, Events } from "./events.ts";
import { output, type Write } from "./output.ts";
import { type Level, SENTENCES } from "./sentences.ts";
import { loggable, sentence } from "./text.ts";

export interface LogOptions {
  /** Lines that matter less are not written. */
  level: Level;
  /** `auto`: for people on a terminal, for machines elsewhere. */
  format: "auto" | "json" | "pretty";
  isTerminal: boolean;
  /** Whether a terminal may be given colours: NO_COLOR. */
  color: boolean;
  /** Stand in every line, so that lines of several processes can be told apart. */
  version: string;
  role: string;
  /** Where lines go instead of stdout. */
  write?: Write;
}

export interface Log {
  emit: Emit;
  /** Writes what waits, now; at the exit of the process this happens by itself. */
  flush(): void;
  close(): void;
}

/** One line for each event. No pino transport: those are threads, which a compiled executable cannot find. */
export function createLog({ level, format, isTerminal, color, version, role, write }: LogOptions): Log {
  const lines = output(write, (dropped) => emit("log.dropped", { lines: dropped }));
  const pretty =
    format === "pretty" || (format === "auto" && isTerminal) ? prettyLine(color && isTerminal) : undefined;
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (word) => ({ level: word }) },
    },
    { write: (line: string) => lines.write(pretty ? pretty(line) : line) },
  );

  function emit<Name extends EventName>(event: Name, fields: Events[Name]) {
    const [levelOf, say] = SENTENCES[event];
    const level = typeof levelOf === "string" ? levelOf : levelOf(fields);
    if (!logger.isLevelEnabled(level)) return;
    logger[level](copyInto({ event, version, role }, fields), sentence(say(fields)));
  }

  return { emit, flush: lines.flush, close: lines.close };
}

function prettyLine(color: boolean) {
  return prettyFactory({
    colorize: color,
    singleLine: true,
    translateTime: "SYS:HH:MM:ss.l",
    ignore: "version,role",
  });
}

/** Copies what may be told, so that neither a password nor an escape sequence reaches the line. */
function copyInto(line: Record<string, unknown>, fields: object): Record<string, unknown> {
  for (const [key, value] of Object.entries(fields)) {
    if (typeof value === "string") line[key] = loggable(value);
    else if (typeof value === "number")
      line[key] = Math.round(value * 1000) / 1000; // clocks answer noise beyond
    else line[key] = key === "error" ? loggedError(value) : value;
  }
  return line;
}
