import { type System, system } from "../access/principal.ts";
import { type Nothing, nothing } from "../audit/change.ts";
import { stale } from "../db/revision.ts";
import type { Store } from "../stores/store.ts";
import type { Custody } from "./custody.ts";
import { destroyNow, intendDestruction } from "./destroy.ts";
import { keepVersion } from "./keep.ts";
import { type Opened, openSecret } from "./open.ts";
import { endVersion, insertVersion, lockCredential, updateCredential } from "./rows.ts";
import { storeOf } from "./secret-store.ts";

type Needs = Pick<Custody, "db" | "dataKeys" | "disclosures" | "stores">;

/**
 * Keeps the same secret anew: under the tenant's present data key, in the store `to`, or where it is when that is left out. So data
 * keys are rotated and stores are changed, one credential at a time, while it is in use. It gets a new version, because a version is
 * written once, and the old one is destroyed. Works on whatever is not revoked, frozen or switched off as it may be.
 * Throws `stale` when the credential changed meanwhile, and as `use` and `register` do about stores, keys and the record.
 */
export async function reseal(
  custody: Needs,
  tenantId: string,
  credentialId: string,
  to?: Store,
): Promise<void> {
  const request = {
    principal: system(tenantId, "reseal"),
    credentialId,
    need: "reseal",
    revision: null,
    event: "credential.used",
    detail: { purpose: "reseal" },
  } as const;
  await openSecret(custody, request, (opened) =>
    keepAnew(custody, { ...request, to: to ?? placeOf(custody, opened) }, opened),
  );
}

/** Where the secret is; what is read-only goes to the first store. */
function placeOf({ stores }: Needs, { disclosure }: Opened): Store {
  const store = storeOf(stores, disclosure.store);
  return store.capabilities.writes ? store : stores.first;
}

type Target = Readonly<{ principal: System; credentialId: string; to: Store }>;

async function keepAnew(
  custody: Needs,
  { principal, credentialId, to }: Target,
  { disclosure, fields }: Opened,
): Promise<Nothing> {
  const { venue, environment, revision } = disclosure;
  const of = { tenantId: principal.tenantId, credentialId, venue, environment };
  return keepVersion(
    custody,
    principal,
    { kind: "reseal", of, fields, store: to },
    async (tx, { version, dataKeyId }) => {
      const row = await lockCredential(tx, credentialId);
      if (row?.revision !== revision) throw stale(row?.revision ?? revision);
      const ended = await endVersion(tx, credentialId, row.version);
      const intents = await intendDestruction(tx, row, ended);
      const store = to.name;
      await tx
        .updateTable("rotations")
        .set({ to_version: version })
        .where("credential_id", "=", credentialId)
        .where("to_version", "=", row.version)
        .execute();
      const updated = await updateCredential(tx, credentialId, { version, store });
      await insertVersion(tx, updated, dataKeyId, ended[0]?.key_since);
      const detail = { credential_id: credentialId, version, store };
      return {
        value: nothing,
        events: [{ event: "credential.resealed", detail }],
        after: () => destroyNow(custody, principal.tenantId, intents),
      };
    },
  );
}
