import { notFound, Problem } from "./problem.ts";

interface Route {
  method: string;
  path: string;
}

/** What the router does not tell: whether an address that it refused would have taken another method. */
export interface RouteTable {
  missing(method: string, path: string): Problem;
}

export function routeTable(routes: readonly Route[]): RouteTable {
  const patterns = routes.map((route) => ({ ...route, pattern: patternOf(route.path) }));

  /** A fixed path comes before one with parameters, as in the router: `/api/jobs/create` is no job. */
  function methodsAt(path: string): string[] {
    const matching = patterns.filter(({ pattern }) => pattern.test(path));
    const fixed = matching.filter((route) => !route.path.includes(":"));
    const methods = new Set((fixed.length > 0 ? fixed : matching).map(({ method }) => method));
    if (methods.has("GET")) methods.add("HEAD");
    return [...methods].sort();
  }

  return {
    missing(method, path) {
      const methods = methodsAt(path);
      if (methods.length === 0 || methods.includes(method)) return notFound();
      const allow = methods.join(", ");
      return new Problem("method_not_allowed", `this address takes ${allow}`, { headers: { allow } });
    },
  };
}

function patternOf(path: string): RegExp {
  const literal = path.replaceAll(".", "\\.").replaceAll(/:\w+/g, "[^/]+");
  return new RegExp(`^${literal}/?$`);
}
