import { randomUUID } from "node:crypto";
import { namesSubjects } from "../../access/narrowing.ts";
import { assertScope, type Principal } from "../../access/principal.ts";
import { type Answered, change } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import { KeyholdError } from "../../errors.ts";
import { showMember } from "../members/show.ts";
import { type Account, toAccount } from "./account.ts";
import { refuseMiss } from "../../audit/refusals.ts";

/** Opens an account for its owner: the caller, or a member that an administrator names. */
export async function createAccount(
  db: Db,
  principal: Principal,
  input: Readonly<{ name: string; ownerId?: string }>,
): Promise<Answered<Account>> {
  assertScope(principal, "accounts:write");
  if (principal.kind === "member" && namesSubjects(principal.narrowing)) {
    throw new KeyholdError("forbidden", "Your token or API key is narrowed, so it opens no account.", {
      facts: { reason: "narrowed" },
    });
  }
  const ownerId = await ownerOf(db, principal, input.ownerId);
  const id = randomUUID();
  return change(db, principal, async (tx) => {
    const row = await tx
      .insertInto("accounts")
      .values({ tenant_id: principal.tenantId, id, owner_id: ownerId, name: input.name })
      .returningAll()
      .executeTakeFirstOrThrow();
    return {
      value: toAccount({ ...row, freezes: [] }),
      events: [{ event: "account.created", detail: { account_id: id, owner_id: ownerId } }],
    };
  });
}

/** Another owner than oneself takes somebody who may write for the whole tenant. */
async function ownerOf(db: Db, principal: Principal, named: string | undefined): Promise<string> {
  const self = principal.kind === "member" ? principal.memberId : undefined;
  const owner = named ?? self;
  if (owner === undefined) throw new KeyholdError("malformed", "Name the owner of the account.");
  if (owner === self) return owner;
  if (principal.kind === "member" && principal.reach !== "tenant-write") {
    return refuseMiss(db, principal, { kind: "member", id: owner, action: "account.create" });
  }
  return (await showMember(db, principal, owner)).id;
}
