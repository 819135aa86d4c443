import { KeyholdError } from "../errors.ts";
import type { Route } from "./route.ts";

type Declared = Pick<Route, "method" | "path">;

/** The methods that have a route at a path; none where nothing is. */
export function methodsOf(routes: readonly Declared[]): (url: string) => readonly string[] {
  const known = [...routes, { method: "GET", path: "/docs" }, { method: "GET", path: "/openapi.json" }];
  const patterns = known.map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:\w+/g, "[^/]+")}/?$`),
  }));
  return (url) => {
    const [path = ""] = url.split("?", 1);
    return [...new Set(patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
  };
}

/** Why a request has no route: 405 where other methods have one at its path (RFC 9110 §15.5.6), 404 where none has. */
export function refusePath(allow: readonly string[]): KeyholdError {
  if (allow.length === 0) return new KeyholdError("not_found", "There is nothing at this path.");
  return new KeyholdError("method_not_allowed", `This path takes ${allow.join(", ")}.`, { facts: { allow } });
}
