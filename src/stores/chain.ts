import type { GetResult, Store } from "./store.ts";

/**
 * Stores behind one another, for look-ups that an operator asks for: what the first does not give is looked for in the next, in
 * order, and writes go to the first alone. A credential that is used is never looked for so: what was destroyed in its store could
 * come back from another.
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
        // That one store could not say is not that no store has it.
        if (answer.outcome !== "absent") failure ??= answer;
      }
      return failure ?? { outcome: "absent" };
    },
  };
}
