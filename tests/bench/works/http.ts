import type { Work } from "../work.ts";
import { hasWrk, WRK_MISSING, wrk } from "../wrk.ts";

const CONNECTIONS = 64;

export const http: Work = {
  name: "http",
  title: ({ seconds }) => `HTTP: ${seconds} s each of wrk with ${CONNECTIONS} connections`,
  columns: () => [
    { key: "create", title: "create, requests/s", better: "more" },
    { key: "createP99", title: "p99, ms", better: "less", digits: 1 },
    { key: "get", title: "get, requests/s", better: "more" },
    { key: "getP99", title: "p99, ms", better: "less", digits: 1 },
  ],
  tasks: ["endpoints"],
  missing: () => (hasWrk() ? undefined : WRK_MISSING),
  async measure(session, _, { seconds }) {
    const endpoints = await session.endpoints();
    const create = await wrk(endpoints, "create", CONNECTIONS, seconds);
    const get = await wrk(endpoints, "get", CONNECTIONS, seconds);
    return {
      create: create.requests / create.seconds,
      createP99: create.p99,
      get: get.requests / get.seconds,
      getP99: get.p99,
    };
  },
};
