import { system } from "../access/principal.ts";
import type { Custody } from "./custody.ts";
import { destroyNow, intendDestruction } from "./destroy.ts";
import { keepVersion } from "./keep.ts";
import { type Opened, openSecret } from "./open.ts";
import { endVersion, insertVersion, lockCredential, updateCredential } from "./rows.ts";
import { stale } from "./stale.ts";

type Needs = Pick<Custody, "db" | "dataKeys" | "disclosures" | "stores">;

/**
 * Keeps the same secret anew: under the tenant's present data key, in the first store of `custody`. So data keys are rotated and
 * stores are changed, one credential at a time, while it is in use. It gets a new version, because a version is written once, and
 * the old one is destroyed. Works on whatever is not revoked, frozen or switched off as it may be.
 * Throws `stale` when the credential changed meanwhile, and as `use` and `register` do about stores, keys and the record.
 */
export async function reseal(custody: Needs, tenantId: string, credentialId: string): Promise<void> {
  const request = {
    principal: system(tenantId, "reseal"),
    credentialId,
    need: "reseal",
    revision: null,
    event: "credential.used",
    detail: { purpose: "reseal" },
  } as const;
  const replaced = await openSecret(custody, request, (opened) => keepAnew(custody, request, opened));
  await destroyNow(custody, tenantId, replaced);
}

/** Answers the intents to destroy what was replaced. */
async function keepAnew(
  custody: Needs,
  { principal, credentialId }: Readonly<{ principal: ReturnType<typeof system>; credentialId: string }>,
  { disclosure, fields }: Opened,
): Promise<readonly string[]> {
  const { venue, environment, revision } = disclosure;
  const of = { tenantId: principal.tenantId, credentialId, venue, environment };
  return keepVersion(
    custody,
    principal,
    { kind: "reseal", of, fields },
    async (tx, { version, dataKeyId }) => {
      const row = await lockCredential(tx, credentialId);
      if (row?.revision !== revision) throw stale(row?.revision ?? revision);
      const intents = await intendDestruction(tx, row, await endVersion(tx, credentialId, row.version));
      const store = custody.stores.first.name;
      await insertVersion(tx, await updateCredential(tx, credentialId, { version, store }), dataKeyId);
      const detail = { credential_id: credentialId, version, store };
      return { value: intents, events: [{ event: "credential.resealed", detail }] };
    },
  );
}
