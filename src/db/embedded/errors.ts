/** The embedded server cannot be had. The message says why and what to do, and is meant for the terminal as it is. */
export class EmbeddedError extends Error {
  override name = "EmbeddedError";
}
