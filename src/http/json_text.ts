const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const NOWHERE = -1;
/** Levels of nesting: what is in an array but in none of its elements, and what is in one of these and no deeper. */
const IN_ARRAY = 1;
const IN_ELEMENT = 2;

export interface TooDeep {
  /** The name of the outermost object's member in which it is too deep. */
  member: string | undefined;
  /** False when brackets stay open at the end, so that the text is no JSON at all. */
  closed: boolean;
}

/**
 * Looks for more than `limit` levels of nesting, in one pass and without a stack: parsers and whoever walks
 * a parsed value recurse, and a hundred thousand brackets must not reach them. Any text will do.
 */
export function tooDeep(text: string, limit: number): TooDeep | undefined {
  let depth = 0;
  let name = "";
  let lastString = "";
  let found: TooDeep | undefined;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (depth === 1 && found === undefined) lastString = text.slice(at, end);
      at = end - 1;
    } else if (code === COLON && depth === 1) {
      name = lastString;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth++;
      if (depth > limit) found ??= { member: stringOf(name), closed: true };
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth--;
    }
  }
  return found && { ...found, closed: depth === 0 };
}

/**
 * The text of one member of a JSON object, exactly as it stands there: parsing and printing it again would
 * turn `1e400` into null and round long numbers. `text` must be valid JSON. Of equal names the last
 * counts, as it does for `JSON.parse`.
 */
export function memberText(text: string, name: string): string | undefined {
  let found: string | undefined;
  let at = text.indexOf("{") + 1;
  for (;;) {
    at = text.indexOf('"', at);
    if (at === -1) return found;
    const endOfName = endOfString(text, at);
    const start = text.indexOf(":", endOfName) + 1;
    const end = endOfMember(text, start);
    if (isNamed(text, at, endOfName, name)) found = text.slice(start, end).trim();
    at = end;
  }
}

export interface Members {
  /** Of each element, its member of that name as `memberText` answers it. */
  texts: (string | undefined)[];
  /** How many levels of nesting there are in the whole text, as `tooDeep` counts them. */
  depth: number;
}

/**
 * One member of each object in a JSON array. One walk over the text instead of one for the depth, one for the elements
 * and one through each of these: in a batch of thousands of jobs that is a third of what it takes to read them. What it
 * answers of any other text means nothing, but for its depth.
 */
export function memberTexts(text: string, name: string): Members {
  const texts: (string | undefined)[] = [];
  let [depth, deepest] = [0, 0];
  let [nameAt, endOfName] = [0, 0];
  let [member, start]: [string | undefined, number] = [undefined, NOWHERE];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const closes = code === CLOSE_BRACE || code === CLOSE_BRACKET;
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (depth === IN_ELEMENT) [nameAt, endOfName] = [at, end];
      at = end - 1;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      deepest = Math.max(deepest, ++depth);
    } else if (code === COLON && depth === IN_ELEMENT) {
      if (isNamed(text, nameAt, endOfName, name)) start = at + 1;
    } else if (code === COMMA || closes) {
      if (depth === IN_ELEMENT && start !== NOWHERE) {
        member = text.slice(start, at).trim();
        start = NOWHERE;
      } else if (depth === IN_ARRAY) {
        texts.push(member);
        member = undefined;
      }
      if (closes) depth--;
    }
  }
  return { texts, depth: deepest };
}

/** The texts of the elements of a JSON array, exactly as they stand there. What it answers of any other text means nothing. */
export function elementTexts(text: string): string[] {
  const elements: string[] = [];
  for (let at = text.indexOf("[") + 1; at < text.length; ) {
    const end = endOfMember(text, at);
    const element = text.slice(at, end).trim();
    if (element !== "") elements.push(element);
    at = end + 1;
  }
  return elements;
}

/** Where a value ends: at the comma or closing bracket that belongs to the outermost object or array. */
function endOfMember(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if (depth === 0 && (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET)) return at;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
  }
  return text.length;
}

/** The position after the closing quote of the string that opens at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  // Strings are most of what there is to read, and the engine finds a quote many at a time.
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1))
    if (!isEscaped(text, at)) return at + 1;
  return text.length;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - backslashes - 1) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}

/** Whether the literal of a string says `name`. With escapes in it, it is longer, and has to be read for that. */
function isNamed(text: string, start: number, end: number, name: string): boolean {
  const longer = end - start - '""'.length - name.length;
  if (longer <= 0) return longer === 0 && text.startsWith(name, start + 1);
  const literal = text.slice(start, end);
  return literal.includes("\\") && stringOf(literal) === name;
}

function stringOf(literal: string): string | undefined {
  try {
    return JSON.parse(literal);
  } catch {
    return undefined; // not a string after all: the text is not JSON, and the parser will say so
  }
}
