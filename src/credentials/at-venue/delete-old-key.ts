import { readTenant, serviceScope } from "../../db/tenant.ts";
import type { AuditEvent } from "../../audit/events.ts";
import type { KeyRevocation } from "../../venues/venue-keys.ts";
import type { Custody } from "../custody.ts";
import { openRetired, type OtherVersion } from "../open.ts";
import type { RotationRow } from "../rotation.ts";
import { rotatorOf, type Run } from "./run.ts";
import { withKeys } from "./with-keys.ts";

/** Deletes the key that was replaced at its venue, on behalf of the one that is in force. Throws what `openSecret` throws. */
export async function deleteOldKey(custody: Custody, run: Run): Promise<KeyRevocation> {
  const retired = await retiredOf(custody, run);
  const request = {
    principal: rotatorOf(run.tenant_id),
    credentialId: run.credential_id,
    need: "validate",
    revision: null,
    event: "credential.used",
    detail: { purpose: "revoke_key" },
  } as const;
  return withKeys(custody, run, "revoke_key", (keys, target) =>
    openRetired(custody, request, retired, ({ fields }) => keys.revoke(target, fields)),
  );
}

async function retiredOf({ db }: Pick<Custody, "db">, run: Run): Promise<OtherVersion> {
  return readTenant(db, serviceScope(run.tenant_id), (tx) =>
    tx
      .selectFrom("rotations as r")
      .innerJoin("credential_versions as v", (join) =>
        join.onRef("v.credential_id", "=", "r.credential_id").onRef("v.version", "=", "r.from_version"),
      )
      .select(["v.version", "v.store"])
      .where("r.id", "=", run.rotation_id)
      .executeTakeFirstOrThrow(),
  );
}

export function keyDeleted({ credential_id, from_version }: RotationRow): AuditEvent {
  return { event: "credential.key_deleted", detail: { credential_id, version: from_version } };
}
