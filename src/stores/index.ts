import type { Store, StoreName, Stores } from "./store.ts";

/** The registry: new secrets go to the first, each is read from the one that its row names. */
export function createStores(first: Store, ...others: readonly Store[]): Stores {
  const byName = new Map<StoreName, Store>([first, ...others].map((store) => [store.name, store]));
  return { first, get: (name) => byName.get(name) };
}
