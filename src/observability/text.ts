/** Longer texts are cut: a line is for reading. */
const LONGEST_TEXT = 16 * 1024;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this finds
const CONTROL_CHARACTERS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const POSTGRES_PASSWORD = /(postgres(?:ql)?:\/\/[^\s:/@]*:)\S*@/gi;
const URL_PASSWORD = /(:\/\/[^\s:/@]*:)[^\s/@]+@/g;
const PASSWORD_PARAMETER = /(password=)[^\s&]+/gi;

/** Ids and names, which are most of what is logged, need no second look. */
const HARMLESS = /^[\w .-]{0,100}$/;

/**
 * A text as it may stand in a log: without passwords, and without what would move a reader's cursor or colour
 * their terminal. A password in a Postgres URL may hold any character, so everything up to the last @ goes.
 */
export function loggable(text: string): string {
  if (HARMLESS.test(text)) return text;
  const cut =
    text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}… (${text.length} characters)` : text;
  return cut
    .toWellFormed()
    .replace(CONTROL_CHARACTERS, "")
    .replace(POSTGRES_PASSWORD, "$1***@")
    .replace(URL_PASSWORD, "$1***@")
    .replace(PASSWORD_PARAMETER, "$1***");
}

/** The same for a sentence: on a terminal, a line break in a name must not look like the next line. */
export function sentence(text: string): string {
  return loggable(text).replace(/\s*\n\s*/g, " ");
}
