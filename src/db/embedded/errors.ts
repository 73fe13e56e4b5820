/** The embedded server cannot be had. The message says why and what to do, in words for the terminal. */
export class EmbeddedError extends Error {
  override name = "EmbeddedError";
}
