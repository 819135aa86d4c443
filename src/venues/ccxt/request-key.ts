/** A request of a venue as ccxt names it: section of its API, verb, and path before parameters are put into it. */
export function requestKey(api: string | readonly string[], verb: string, path: string): string {
  const section = typeof api === "string" ? api : api.join(".");
  return `${section} ${verb} ${path}`;
}
