import { notFound, Problem } from "./problem.ts";

interface Route {
  method: string;
  path: string;
}

/** What the router does not tell: whether an address that it refused would have taken another method. */
export interface RouteTable {
  missing(method: string, path: string): Problem;
  /** The path of the route that answers this one, with its parameters by name; undefined when none does. */
  routeOf(path: string): string | undefined;
}

export function routeTable(routes: readonly Route[]): RouteTable {
  const patterns = routes.map((route) => ({ ...route, pattern: patternOf(route.path) }));
  const fixedPaths = new Set(routes.map(({ path }) => path).filter((path) => !path.includes(":")));
  const withParameters = patterns.filter(({ path }) => path.includes(":"));

  /** Asked at every request: so fixed paths are found without trying patterns, and others by the first that fits. */
  function routeOf(path: string): string | undefined {
    if (fixedPaths.has(path)) return path;
    const spelled = path.replace(/\/$/, "");
    return fixedPaths.has(spelled) ? spelled : withParameters.find(({ pattern }) => pattern.test(path))?.path;
  }

  /** A fixed path comes before one with parameters, as in the router: `/api/jobs/create` is no job. */
  function routesAt(path: string) {
    const matching = patterns.filter(({ pattern }) => pattern.test(path));
    const fixed = matching.filter((route) => !route.path.includes(":"));
    return fixed.length > 0 ? fixed : matching;
  }

  function methodsAt(path: string): string[] {
    const methods = new Set(routesAt(path).map(({ method }) => method));
    if (methods.has("GET")) methods.add("HEAD");
    return [...methods].sort();
  }

  return {
    routeOf,
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
