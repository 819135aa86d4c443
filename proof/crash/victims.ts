import { sql } from "kysely";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import type { Db } from "../../src/db/connect.ts";
import { unavailable } from "../../src/remote/failure.ts";
import { createStores } from "../../src/stores/open.ts";
import { createAccount } from "../../src/tenants/account.ts";
import { openTenant } from "../../testkit/tenants.ts";
import type { Ground } from "../ground.ts";
import type { Point } from "./effects.ts";
import type { Work } from "./processes.ts";
import { registerOne, rotateOne, type Scenario, type Writer } from "./scenarios.ts";

/** Somebody who is about to lose the process that works for him. */
export type Victim = Writer & Readonly<{ member: Member }>;

/** A tenant of the victim's own, and what there has to be before the work of the scenario begins. */
export async function prepareVictim(
  ground: Ground,
  { store, scenario }: Pick<Work, "store" | "scenario">,
  point: Point | null,
): Promise<Victim> {
  const { installation, operator, custody: custodies } = ground;
  const custody = custodies[store];
  const { owner: member, id: tenantId } = await openTenant(installation.db, operator, "proof");
  const account = await createAccount(installation.db, member, { name: "Main" });
  const { memberId } = member;
  const nobody = { tenantId, memberId, accountId: account.id, credentialId: "", revision: 0 };
  if (scenario === "register") return { ...nobody, point, member };
  const writer = { ...nobody, ...(await registerOne({ custody, member, writer: nobody }, "old")) };
  await begin[scenario]?.(ground, { custody, member, writer });
  return { ...writer, point, member };
}

type Ready = Readonly<{ custody: Custody; member: Member; writer: Omit<Writer, "point"> }>;

const begin: Partial<Record<Scenario, (ground: Ground, ready: Ready) => Promise<void>>> = {
  async finish({ installation: { ownerDb } }, ready) {
    await rotateOne(ready);
    await sql`update rotations set overlap_until = now() - interval '1 second'
      where credential_id = ${ready.writer.credentialId}`.execute(ownerDb);
  },
  async reconcile({ installation: { ownerDb } }, ready) {
    await rotateOne({ ...ready, custody: withoutDestruction(ready.custody) }, { overlapSeconds: 0 });
    await ageIntents(ownerDb, ready.writer.tenantId);
  },
};

/** A store that was away when a version was to be destroyed: that is left to the reconciler. */
function withoutDestruction(custody: Custody): Custody {
  const { first } = custody.stores;
  const destroy = () => Promise.resolve(unavailable("unreachable"));
  return { ...custody, stores: createStores({ ...first, destroy }) };
}

/** As if what is left of this tenant, or of all, had been left three minutes ago. Nobody may be at work for them. */
export async function ageIntents(owner: Db, tenantId: string | null = null): Promise<void> {
  await sql`update intents set created_at = now() - interval '3 minutes'
    where tenant_id = coalesce(${tenantId}::uuid, tenant_id)`.execute(owner);
}
