import type { Member } from "../../src/access/principal.ts";
import { freeze, unfreeze } from "../../src/credentials/freeze.ts";
import { register } from "../../src/credentials/register.ts";
import { update } from "../../src/credentials/update.ts";
import { createAccount, freezeAccount, unfreezeAccount } from "../../src/tenants/account.ts";
import type { Guard } from "../../src/webhooks/guard.ts";
import { createWebhook } from "../../src/webhooks/webhook.ts";
import { openTenant, secretFields } from "../../testkit/tenants.ts";
import type { Ground } from "../ground.ts";
import type { Subject } from "./book.ts";

/** A tenant with one endpoint, whose owner changes things, one after the other. */
export type Desk = Readonly<{
  tenantId: string;
  path: string;
  /** Of its endpoint. */
  secret: string;
  /** Changes something as everybody does, and answers what the endpoint is to be told of it. */
  changeNext(): Promise<Subject>;
}>;

/** Opens a tenant that is told of everything at this URL. */
export async function openDesk(ground: Ground, guard: Guard, url: string): Promise<Desk> {
  const custody = ground.custody.postgres;
  const { db, dataKeys } = custody;
  const { owner, id: tenantId } = await openTenant(db, ground.operator, "proof");
  const account = await createAccount(db, owner, { name: "Main" });
  const { secret } = await createWebhook({ db, dataKeys, guard }, owner, { url });
  const path = new URL(url).pathname;
  const changes = changesOf(ground, owner, account.id);
  const changeNext = async (): Promise<Subject> => {
    const { value } = await changes.next();
    return { path, ...value };
  };
  return { tenantId, path, secret, changeNext };
}

type Told = Omit<Subject, "path">;

/** Registers a credential, and then changes it and its account again and again. */
async function* changesOf(
  { custody: { postgres: custody } }: Ground,
  owner: Member,
  accountId: string,
): AsyncGenerator<Told, never> {
  const fields = secretFields({ api_key: "a key", api_secret: "a secret" });
  const of = { accountId, venue: "scripted", environment: "live" } as const;
  let { id, revision } = await register(custody, owner, { ...of, fields });
  yield { type: "credential.registered", id };
  for (let turn = 1; ; turn += 1) {
    ({ id, revision } = await update(custody, owner, id, revision, { label: `desk ${turn}` }));
    yield { type: "credential.updated", id };
    await freezeAccount(custody.db, owner, accountId, null);
    yield { type: "account.frozen", id: accountId };
    await unfreezeAccount(custody.db, owner, accountId);
    yield { type: "account.unfrozen", id: accountId };
    await freeze(custody, owner, id, null);
    yield { type: "credential.frozen", id };
    ({ id, revision } = await unfreeze(custody, owner, id));
    yield { type: "credential.unfrozen", id };
  }
}
