import type { SealedFields, SecretRef, Store } from "../../src/stores/store.ts";

export const flawNames = ["activates-early", "destroys-early", "writes-unannounced"] as const;
export type FlawName = (typeof flawNames)[number];

/** A store as a wrong build uses it, and what that build does when it thinks that it is done. */
type Flawed = Readonly<{ store: Store; finish(): Promise<void> }>;

const done = (): Promise<void> => Promise.resolve();

/** What Keyhold could get wrong about the order of things, each by itself. */
export const flaws: Readonly<Record<FlawName, (store: Store) => Flawed>> = {
  "activates-early": activatesEarly,
  "destroys-early": (store) => ({ store: destroysEarly(store), finish: done }),
  "writes-unannounced": (store) => ({ store: writesUnannounced(store), finish: done }),
};

/** Puts a version in force, and writes it after that. */
function activatesEarly(store: Store): Flawed {
  const late: (readonly [SecretRef, SealedFields])[] = [];
  const put: Store["put"] = (ref, fields) => {
    late.push([ref, fields]);
    return Promise.resolve({ outcome: "written" });
  };
  const get: Store["get"] = (ref) => {
    const fields = late.find(([{ version }]) => version === ref.version)?.[1];
    return fields === undefined ? store.get(ref) : Promise.resolve({ outcome: "found", fields });
  };
  return {
    store: { ...store, put, get },
    async finish() {
      for (const [ref, fields] of late) await store.put(ref, fields);
    },
  };
}

/** Makes room for a version by destroying the one before it, which is still in force. */
function destroysEarly(store: Store): Store {
  return {
    ...store,
    async put(ref, fields) {
      await store.destroy({ ...ref, version: ref.version - 1 });
      return store.put(ref, fields);
    },
  };
}

const far = 1000;

/** Tries the write out under a number that no intent tells of. */
function writesUnannounced(store: Store): Store {
  return {
    ...store,
    async put(ref, fields) {
      const draft = { ...ref, version: ref.version + far };
      await store.put(draft, fields);
      await store.destroy(draft);
      return store.put(ref, fields);
    },
  };
}
