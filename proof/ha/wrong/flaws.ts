import type { Disclosure } from "../../../src/audit/disclosures.ts";
import type { Config } from "../../../src/config/config.ts";
import type { Custody } from "../../../src/credentials/custody.ts";
import { createStores } from "../../../src/stores/open.ts";
import type { SealedFields, SecretRef, Store, Stores } from "../../../src/stores/store.ts";
import { createVaultStore } from "../../../src/stores/vault.ts";
import type { Log } from "../../../src/telemetry/log.ts";
import type { Metrics } from "../../../src/telemetry/metrics.ts";
import { openVault } from "../../../src/vault/open.ts";
import type { InvokeResult, Venue } from "../../../src/venues/venue.ts";

type Needs = Readonly<{ config: Config; metrics: Metrics; log: Log }>;
type Flaw = (custody: Custody, needs: Needs) => Custody | Promise<Custody>;

/** What a service could get wrong, each by itself. */
export const flaws: Readonly<Record<string, Flaw>> = {
  "acknowledges-early": (custody) => ({ ...custody, stores: withFirst(custody.stores, acknowledgesEarly) }),
  "keeps-no-copies": async (custody, { config: { vault, stores }, metrics, log }) => {
    if (vault === null) throw new Error("this flaw is one of a service with Vault");
    const bare = createVaultStore(await openVault(vault, { metrics, log }), { mount: stores.vaultMount });
    return { ...custody, stores: withFirst(custody.stores, () => bare) };
  },
  "remembers-versions": (custody) => ({ ...custody, disclosures: remembersVersions(custody.disclosures) }),
  "repeats-orders": (custody) => {
    const { venues } = custody;
    const get = (id: string): Venue | undefined => {
      const venue = venues.get(id);
      return venue === undefined ? undefined : repeatsOrders(venue);
    };
    return { ...custody, venues: { get, list: () => venues.list(), endsWithinMs: venues.endsWithinMs } };
  },
};

function withFirst(stores: Stores, wrong: (store: Store) => Store): Stores {
  const postgres = stores.get("postgres");
  return createStores(wrong(stores.first), ...(postgres === undefined ? [] : [postgres]));
}

/** Says that a write is done when it begins, and answers the read-back from what was sent. */
function acknowledgesEarly(store: Store): Store {
  const sent = new Map<string, SealedFields>();
  const keyOf = ({ credentialId, version }: SecretRef): string => `${credentialId}/${version}`;
  return {
    name: store.name,
    capabilities: store.capabilities,
    put(ref, fields) {
      sent.set(keyOf(ref), fields);
      void store.put(ref, fields);
      return Promise.resolve({ outcome: "written" });
    },
    get(ref) {
      const fields = sent.get(keyOf(ref));
      return fields === undefined ? store.get(ref) : Promise.resolve({ outcome: "found", fields });
    },
    destroy: (ref) => store.destroy(ref),
    health: () => Promise.resolve({ outcome: "healthy" }),
  };
}

/** Writes the record each time, and then goes by what the first answer was. */
function remembersVersions(disclosures: Custody["disclosures"]): Custody["disclosures"] {
  const first = new Map<string, Disclosure>();
  return {
    async append(request) {
      const now = await disclosures.append(request);
      const known = first.get(request.credentialId);
      if (known === undefined && now.outcome === "ok") first.set(request.credentialId, now);
      return now.outcome === "ok" ? (known ?? now) : now;
    },
  };
}

/** Takes a lost answer for a lost order. */
function repeatsOrders(venue: Venue): Venue {
  return {
    description: venue.description,
    inspect: (target) => venue.inspect(target),
    findOrder: (target, order) => venue.findOrder(target, order),
    async invoke(target, invocation) {
      const answer = await venue.invoke(target, invocation);
      return isLost(answer) ? venue.invoke(target, invocation) : answer;
    },
  };
}

function isLost({ outcome }: InvokeResult): boolean {
  return ["timeout", "venue_unavailable", "unexpected_answer"].includes(outcome);
}
