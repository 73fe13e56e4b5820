import type { InternalRoute } from "elysia";

/** What stands before the handler of a route; the router wraps the hooks that it is given. */
export function checksOf({ hooks }: Pick<InternalRoute, "hooks">): unknown[] {
  return [hooks.beforeHandle].flat().map((check) => (isContainer(check) ? check.fn : check));
}

function isContainer(check: unknown): check is { fn: unknown } {
  return typeof check === "object" && check !== null && "fn" in check;
}
