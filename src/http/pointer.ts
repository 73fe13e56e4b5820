/** Names are the client's to choose; an answer that repeats one of a megabyte helps nobody. */
const MAX_CHARACTERS = 200;

/** A JSON pointer (RFC 6901) to the place that the names lead to. */
export function pointer(...names: (string | number)[]): string {
  const whole = names.map((name) => `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  return shortened(whole);
}

export function shortened(whole: string): string {
  return whole.length > MAX_CHARACTERS ? `${whole.slice(0, MAX_CHARACTERS)}…` : whole;
}
