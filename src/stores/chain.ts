import type { GetResult, Store } from "./store.ts";

/**
 * A chain of stores, for look-ups by an operator. If a store does not return a version, the next one is
 * asked, in order. Writes go to the first alone. A credential that is used is read from its own store only:
 * otherwise a version that was destroyed there could come back from another.
 */
export function chain(first: Store, ...others: readonly Store[]): Store {
  return {
    name: first.name,
    capabilities: first.capabilities,
    put: (ref, fields) => first.put(ref, fields),
    destroy: (ref) => first.destroy(ref),
    health: () => first.health(),
    async get(ref) {
      let failure: GetResult | null = null;
      for (const store of [first, ...others]) {
        const answer = await store.get(ref);
        if (answer.outcome === "found") return answer;
        // A failure of one store does not mean that no store has it.
        if (answer.outcome !== "absent") failure ??= answer;
      }
      return failure ?? { outcome: "absent" };
    },
  };
}
