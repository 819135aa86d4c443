import { z } from "zod";
import { requestKey } from "../ccxt/request-key.ts";

/**
 * What a request does to an account. The class does not follow from the verb: `public` needs no key · `read` changes nothing, or opens
 * a stream · `trade` places, changes and cancels orders, and converts · `setting` is how an account trades, borrows, lends and earns ·
 * `transfer` moves money between accounts of one owner · `withdraw` moves it to anybody else, under whatever name · `keys` makes and
 * changes API keys, sub-accounts and lists of addresses.
 */
export const requestClasses = ["public", "read", "trade", "setting", "transfer", "withdraw", "keys"] as const;
export type RequestClass = (typeof requestClasses)[number];

/** Class → section of the API and verb → paths, as they stand in the files beside this one. */
const file = z.record(z.enum(requestClasses), z.record(z.string(), z.array(z.string())));

/** The class of every request of an exchange. Throws where a request stands twice. */
export async function readRequestTable(table: string): Promise<ReadonlyMap<string, RequestClass>> {
  const module: unknown = await import(new URL(`${table}.json`, import.meta.url).href, {
    with: { type: "json" },
  });
  const { default: byClass } = z.object({ default: file }).parse(module);
  const classes = new Map<string, RequestClass>();
  for (const requestClass of requestClasses) {
    for (const [group, paths] of Object.entries(byClass[requestClass])) {
      const [section = "", verb = ""] = group.split(" ");
      for (const path of paths) {
        const request = requestKey(section, verb, path);
        if (classes.has(request)) throw new RangeError(`${table} has ${request} twice`);
        classes.set(request, requestClass);
      }
    }
  }
  return classes;
}
