import { Problem } from "./problem.ts";

/** What opens a route, in the words of those who are to send it. */
export interface Credential {
  name: string;
  wanted: string;
}

/** All who call from where no address is known count as one. */
const NO_ADDRESS = "";

/** From the header alone: a key in an address would end in logs and histories. */
export function bearerOf({ headers }: Request): string | undefined {
  return headers.get("authorization")?.match(/^bearer +(\S+)$/i)?.[1];
}

type Server = { requestIP(request: Request): { address: string } | null } | null;

export type AddressOf = (request: Request) => string;

/**
 * From where a request comes. The server is asked for when it is needed: into the context of every request Elysia puts
 * it by a property that it defines anew for each, as soon as one hook names it.
 */
export function addresses(server: () => Server): AddressOf {
  return (request) => server()?.requestIP(request)?.address ?? NO_ADDRESS;
}

/** `seconds` are those until the caller may try again; 0 if it may now. */
export function refuseWhoGuesses(seconds: number, { name }: Credential): void {
  if (seconds === 0) return;
  throw new Problem("too_many_requests", `too many ${name}s from here were not valid`, {
    headers: { "retry-after": String(seconds) },
  });
}

/** One answer to all that open nothing: whether one ever did is nobody's business. `sent` is undefined for none. */
export function unauthorized(sent: string | undefined, { name, wanted }: Credential): Problem {
  const [detail, reason] =
    sent === undefined ? [wanted, ""] : [`this ${name} is not valid`, ', error="invalid_token"'];
  return new Problem("unauthorized", detail, {
    headers: { "www-authenticate": `Bearer realm="jobsvc"${reason}` },
  });
}
