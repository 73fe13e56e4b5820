/** Enough to tell what is wrong, for whoever reads the error. */
const MAX_BYTES = 8 * 1024;
/** A refusal is known by its status: nobody waits for ever to hear more of it. */
const PATIENCE_MS = 2_000;

/** The beginning of a body, and lets go of the rest. As much as comes, if it breaks off or takes its time. */
export async function beginningOf({ body }: Response): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  const { promise: tooSlow, resolve } = Promise.withResolvers<{ done: true; value?: undefined }>();
  const timer = setTimeout(() => resolve({ done: true }), PATIENCE_MS);
  const chunks: Uint8Array[] = [];
  try {
    for (let size = 0; size < MAX_BYTES; ) {
      const { done, value } = await Promise.race([reader.read(), tooSlow]);
      if (done) break;
      chunks.push(value);
      size += value.byteLength;
    }
  } catch {
    // What came before it broke off is still the beginning.
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => undefined);
  }
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, MAX_BYTES));
}
