/** W3C Trace Context: version, trace, span and flags. The version ff and ids of zeros are no ids. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace context if it is one: what is no such text would break the call that passes it on. */
export function readTraceparent(text: string | null): string | null {
  return text !== null && TRACEPARENT.test(text) ? text : null;
}
