import { isLoopback } from "../access/loopback.ts";
import { Problem } from "./problem.ts";

/**
 * Without keys, only this machine may call. A browser on it that shows a page of another site is a way around that:
 * the page can send requests here (which its Origin tells), or have its own name point here (which Host tells).
 */
export function refuseOtherSites({ url, headers }: Request): void {
  const origin = headers.get("origin");
  if (isOwn(hostOf(url)) && (origin === null || isOwn(hostOf(origin)))) return;
  throw new Problem(
    "forbidden",
    "without an API key this service answers only to localhost; make one to open it",
  );
}

function isOwn(host: string | undefined): boolean {
  return host !== undefined && isLoopback(host);
}

/** Not by `URL`, which throws at some Host headers. */
function hostOf(url: string): string | undefined {
  const [, inBrackets, plain] = /^[a-z]+:\/\/(?:\[([^\]]*)\]|([^/:?]*))/i.exec(url) ?? [];
  return inBrackets ?? plain;
}
