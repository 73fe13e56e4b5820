/** Two slips of the finger, or a forgotten unit at the end (`-ms`), are still the same word. */
const MOST_SLIPS = 3;

/** The candidate that was probably meant, or undefined. Case and separators do not count as slips. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const meant = plain(word);
  const ranked = candidates
    .map((candidate) => ({ candidate, slips: distance(meant, plain(candidate)) }))
    .sort((a, b) => a.slips - b.slips);
  const best = ranked[0];
  return best && best.slips <= Math.min(MOST_SLIPS, meant.length / 2) ? best.candidate : undefined;
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}

/** Levenshtein's distance, one row at a time. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
