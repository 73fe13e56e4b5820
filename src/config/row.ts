import { Type } from "@sinclair/typebox";

/** What a row of the table says beside its type. */
export interface Meaning {
  description: string;
  /** What a right value looks like, where the type does not say it: ends the sentence "must be …". */
  expects?: string;
  /** Stands for the value in the help. */
  placeholder?: string;
  /** Told instead of the default, where that depends on the environment or is long. */
  defaultText?: string;
  /** A variable that is read besides JOBSVC_*, because platforms set it. */
  bare?: string;
  /** Never printed, and readable from a file. */
  secret?: boolean;
}

/** The longest wait that a timer can count (25 days): one that is longer would end at once. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;
/** A thousand times what one process answers. */
const MOST_CALLS_PER_MINUTE = 1_000_000_000;
const TEN_YEARS_HOURS = 10 * 365 * 24;

export const milliseconds = (options: Meaning & { default: number; minimum?: number }) =>
  Type.Integer({ minimum: 0, maximum: LONGEST_WAIT_MS, placeholder: "ms", ...options });

export const hours = (options: Meaning & { default: number }) =>
  Type.Integer({ minimum: 1, maximum: TEN_YEARS_HOURS, placeholder: "hours", ...options });

export const integer = (options: Meaning & { default?: number; minimum: number; maximum: number }) =>
  Type.Integer({ placeholder: "number", ...options });

export const callsPerMinute = (options: Meaning & { default: number }) =>
  Type.Integer({ minimum: 0, maximum: MOST_CALLS_PER_MINUTE, placeholder: "calls", ...options });

export const oneOf = <Word extends string>(words: readonly Word[], options: Meaning & { default: Word }) =>
  Type.Unsafe<Word>(
    Type.Union(
      words.map((word) => Type.Literal(word)),
      { enum: words, ...options },
    ),
  );

export const flag = (options: Meaning & { default: boolean }) =>
  Type.Boolean({ expects: "true or false", ...options });
