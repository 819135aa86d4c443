import { randomUUID } from "node:crypto";
import { type Selectable, sql, type UpdateObject } from "kysely";
import { namesSubjects } from "../access/narrowing.ts";
import {
  assertScope,
  type Principal,
  scopeOf,
  soleOwner,
  assertMaySwitchOn,
  switchedOffBy,
} from "../access/principal.ts";
import { changeLocked } from "../audit/change-locked.ts";
import { type Answered, change } from "../audit/change.ts";
import { refuseMiss } from "../audit/refusals.ts";
import type { Db } from "../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import type { Database } from "../db/schema.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { addFreeze, eventsOfLifting, type Freeze, freezesOf, frozenAt, liftFreezes } from "./freeze.ts";
import { showMember, subjectOf } from "./member.ts";

/** A trading account of a member. Its credentials can be used only while it is active. */
type Account = Readonly<ReturnType<typeof toAccount>>;

function toAccount(row: Selectable<Database["accounts"]> & Readonly<{ freezes: readonly Freeze[] }>) {
  return {
    id: row.id,
    owner_id: row.owner_id,
    name: row.name,
    active: row.active,
    switched_off_rank: row.active ? null : (row.switched_off_rank ?? "owner"),
    frozen: row.frozen_at !== null,
    freezes: row.freezes,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

async function writeAccount(
  tx: TenantTx,
  id: string,
  changes: UpdateObject<Database, "accounts">,
): Promise<Account> {
  const row = await tx
    .updateTable("accounts")
    .set({ ...changes, revision: sql`revision + 1`, updated_at: sql`now()` })
    .where("id", "=", id)
    .returningAll()
    .returning(freezesOf("accounts").as("freezes"))
    .executeTakeFirstOrThrow();
  return toAccount(row);
}

/** Throws `stale`, `forbidden` for another member's account, and `not_found`. */
export const changeAccount = changeLocked("account", (tx, id) =>
  selectAccount(tx, id).forUpdate().executeTakeFirst(),
);

function selectAccount(tx: TenantTx, id: string) {
  return tx
    .selectFrom("accounts")
    .selectAll()
    .select(freezesOf("accounts").as("freezes"))
    .where("id", "=", id)
    .where("deleted_at", "is", null);
}

/** Creates an account for its owner: the caller, or a member that an administrator names. */
export async function createAccount(
  db: Db,
  principal: Principal,
  input: Readonly<{ name: string; ownerId?: string }>,
): Promise<Answered<Account>> {
  assertScope(principal, "accounts:write");
  if (principal.kind === "member" && namesSubjects(principal.narrowing)) {
    throw new KeyholdError("forbidden", "Your token or API key is narrowed, so it cannot create accounts.", {
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

/** Only a caller that may write for the whole tenant can name another owner than itself. */
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

/** The accounts that the caller may see, newest first. */
export async function listAccounts(
  db: Db,
  principal: Principal,
  page: PageRequest,
): Promise<Page<Account & Readonly<{ owner_subject: string | null }>>> {
  assertScope(principal, "accounts:read");
  const owner = soleOwner(principal);
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("accounts")
      .selectAll()
      .select([freezesOf("accounts").as("freezes"), subjectOf("accounts.owner_id").as("owner_subject")])
      .where("deleted_at", "is", null)
      .$if(owner !== null, (query) => query.where("owner_id", "=", owner ?? ""))
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, (row) => ({ ...toAccount(row), owner_subject: row.owner_subject }));
}

/** Throws `forbidden` for another member's account, `not_found` for any other id. */
export async function showAccount(db: Db, principal: Principal, id: string): Promise<Account> {
  assertScope(principal, "accounts:read");
  const row = await readTenant(db, scopeOf(principal), (tx) => selectAccount(tx, id).executeTakeFirst());
  return row === undefined
    ? refuseMiss(db, principal, { kind: "account", id, action: "show" })
    : toAccount(row);
}

/**
 * Changes name or active flag. The credentials of an inactive account cannot be used, effective immediately.
 * Throws `stale`, and `forbidden` for switching on what a higher rank has switched off.
 */
export async function updateAccount(
  db: Db,
  principal: Principal,
  id: string,
  input: Readonly<{ name?: string; active?: boolean }>,
  revision?: number,
): Promise<Answered<Account>> {
  assertScope(principal, "accounts:write");
  return changeAccount(db, principal, { id, revision, action: "update" }, async (tx, row) => ({
    value: await writeAccount(tx, id, { ...input, ...switched(principal, row, input.active) }),
    events: [{ event: "account.updated", detail: { account_id: id, changed: Object.keys(input) } }],
  }));
}

function switched(
  principal: Principal,
  row: Pick<Selectable<Database["accounts"]>, "active" | "switched_off_rank">,
  active: boolean | undefined,
) {
  if (active === undefined || (active && row.active)) return {};
  if (!active)
    return { switched_off_rank: switchedOffBy(principal, row.active ? undefined : row.switched_off_rank) };
  assertMaySwitchOn(principal, row.switched_off_rank, "account");
  return { switched_off_rank: null };
}

/** Stops every use of the account's credentials, immediately and in every process. */
export async function freezeAccount(
  db: Db,
  principal: Principal,
  id: string,
  reason: string | null,
): Promise<Answered<Account>> {
  assertScope(principal, "accounts:write");
  return changeAccount(db, principal, { id, action: "freeze" }, async (tx, { tenant_id: tenantId }) => {
    const rank = await addFreeze(tx, principal, { tenantId, accountId: id }, reason);
    return {
      value: await writeAccount(tx, id, { frozen_at: frozenAt.added }),
      events: [{ event: "account.frozen", detail: { account_id: id, reason, rank } }],
    };
  });
}

/**
 * Lifts the freezes of the account that the caller may lift; the answer shows those that remain. Throws
 * `forbidden` if there are freezes of which the caller may lift none.
 */
export async function unfreezeAccount(db: Db, principal: Principal, id: string): Promise<Answered<Account>> {
  assertScope(principal, "accounts:write");
  return changeAccount(db, principal, { id, action: "unfreeze" }, async (tx, { tenant_id: tenantId }) => {
    const lifted = await liftFreezes(tx, principal, { tenantId, accountId: id });
    const about = { account_id: id };
    return {
      value: await writeAccount(tx, id, { frozen_at: frozenAt.lifted }),
      events: eventsOfLifting(lifted, { event: "account.unfrozen", detail: about }, about),
    };
  });
}
