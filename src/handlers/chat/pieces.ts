/** Who watches sees words come; who keeps them does not keep a row for each. */
const GATHER_MS = 50;
/** A line of output holds a multiple of this, whatever the characters. */
const MAX_CHARACTERS = 8 * 1024;

/** Gathers pieces of text for a moment, and tells them together. */
export interface Pieces {
  add(piece: string): void;
  /** Tells what is still there, now. */
  flush(): void;
}

export function gathered(tell: (text: string) => void): Pieces {
  let text = "";
  let timer: Timer | undefined;

  function flush() {
    clearTimeout(timer);
    timer = undefined;
    for (const part of partsOf(text)) tell(part);
    text = "";
  }

  return {
    add(piece) {
      text += piece;
      if (text.length >= MAX_CHARACTERS) flush();
      else timer ??= setTimeout(flush, GATHER_MS);
    },
    flush,
  };
}

/** Never between the two halves of a character. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    const half = isFirstHalf(text.charCodeAt(at + MAX_CHARACTERS - 1)) ? 1 : 0;
    const end = at + MAX_CHARACTERS - half;
    parts.push(text.slice(at, end));
    at = end;
  }
  return parts;
}

function isFirstHalf(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
