/**
 * Why a call brought no answer that can be used:
 * - `blocked`: the rules forbid it, and nothing was sent;
 * - `unreachable`: no such name, nobody there, or the connection broke;
 * - `untrusted`: the certificate is not one for this name that can be trusted;
 * - `unreadable`: what answers does not speak HTTP, or answers compressed, which nobody asked for;
 * - `too_large`: the answer is larger than the caller takes.
 */
export type OutboundReason = "blocked" | "unreachable" | "untrusted" | "unreadable" | "too_large";

/**
 * Its message is stored with jobs and read by users: it names no address but those that they sent. So it never has a
 * cause either, for the errors of sockets tell to which address a name led.
 */
export class OutboundError extends Error {
  override name = "OutboundError";

  constructor(
    readonly reason: OutboundReason,
    message: string,
  ) {
    super(message);
  }
}

/** Of what a socket or a parser has to say only the code is kept: the text tells to which address a name led. */
export function outboundError(error: unknown): OutboundError {
  if (error instanceof OutboundError) return error;
  const code = codeOf(error);
  if (code === "HPE_HEADER_OVERFLOW")
    return new OutboundError("too_large", "the answer's headers are too large");
  if (code.startsWith("HPE_")) return new OutboundError("unreadable", `the answer is not HTTP (${code})`);
  if (UNTRUSTED.test(code))
    return new OutboundError("untrusted", `the connection cannot be trusted (${code})`);
  return new OutboundError("unreachable", `the address cannot be reached (${code})`);
}

/** As OpenSSL names what is wrong with a certificate, and as Node names what is wrong with TLS. */
const UNTRUSTED = /CERT|^ERR_TLS_|^ERR_SSL_|^EPROTO$|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH/;

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "unknown";
}
