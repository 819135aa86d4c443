import { z } from "zod";

/** A request of a venue's own API, as ccxt's `sign` takes it. */
export type ApiRequest = Readonly<{
  api: string | readonly string[];
  path: string;
  method: string;
  params?: object;
}>;

/** A request as ccxt names it: section of its API, verb, and path before parameters are put into it. */
export function requestKey(api: ApiRequest["api"], verb: string, path: string): string {
  const section = typeof api === "string" ? api : api.join(".");
  return `${section} ${verb} ${path}`;
}

/**
 * What a request does to an account. The class does not follow from the verb: `public` needs no key · `read`
 * changes nothing, or opens a stream · `trade` places, changes and cancels orders, and converts · `setting`
 * is how an account trades, borrows, lends and earns · `transfer` moves money between accounts of one owner ·
 * `withdraw` moves it to any other person, under whatever name · `keys` makes and changes API keys,
 * sub-accounts and lists of addresses.
 */
export const requestClasses = ["public", "read", "trade", "setting", "transfer", "withdraw", "keys"] as const;
export type RequestClass = (typeof requestClasses)[number];

/** Class → section of the API and verb → paths, as they stand in the files beside this one. */
const file = z.record(z.enum(requestClasses), z.record(z.string(), z.array(z.string())));

/** The class of every request in these tables. Throws `RangeError` where a request stands twice. */
export async function readRequestTables(
  tables: readonly string[],
): Promise<ReadonlyMap<string, RequestClass>> {
  const classes = new Map<string, RequestClass>();
  for (const table of tables) {
    for (const [request, its] of await requestsOf(table)) {
      if (classes.has(request)) throw new RangeError(`${table} has ${request} twice`);
      classes.set(request, its);
    }
  }
  return classes;
}

async function requestsOf(table: string): Promise<(readonly [string, RequestClass])[]> {
  const module: unknown = await import(new URL(`${table}.json`, import.meta.url).href, {
    with: { type: "json" },
  });
  const { default: byClass } = z.object({ default: file }).parse(module);
  return requestClasses.flatMap((its) =>
    Object.entries(byClass[its]).flatMap(([group, paths]) => {
      const [section = "", verb = ""] = group.split(" ");
      return paths.map((path) => [requestKey(section, verb, path), its] as const);
    }),
  );
}
