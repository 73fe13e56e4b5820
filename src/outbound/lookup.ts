import { lookup as resolve } from "node:dns/promises";

/** Answers every address of a name, or throws when there is none. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** As every program on this machine does: hosts file, then name servers. */
export const systemLookup: Lookup = async (host) =>
  (await resolve(host, { all: true })).map(({ address }) => address);
