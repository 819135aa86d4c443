import { randomUUID } from "node:crypto";
import { type RawBuilder, type Selectable, sql } from "kysely";
import { givenBy, type Role } from "../access/permissions.ts";
import {
  assertScope,
  type Principal,
  scopeOf,
  soleOwner,
  assertMaySwitchOn,
  switchedOffBy,
} from "../access/principal.ts";
import { assertSeen } from "../audit/change-locked.ts";
import { type Answered, change } from "../audit/change.ts";
import { refuseMiss } from "../audit/refusals.ts";
import type { Db } from "../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import type { Database } from "../db/schema.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";

type MemberRow = Selectable<Database["members"]>;

/** A subject of an issuer that belongs to the tenant, and its role. */
type TenantMember = Readonly<ReturnType<typeof toMember>>;

function toMember(row: MemberRow) {
  return {
    id: row.id,
    issuer: row.issuer,
    subject: row.subject,
    role: row.role,
    status: row.status,
    suspended_rank: row.status === "suspended" ? (row.suspended_rank ?? "owner") : null,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/** Adds a member. Throws `duplicate`, and `forbidden` for a role above the caller's own. */
export async function addMember(
  db: Db,
  principal: Principal,
  input: Readonly<{ issuer: string; subject: string; role: Role }>,
): Promise<Answered<TenantMember>> {
  assertScope(principal, "members:write");
  assertMayGive(principal, input.role);
  const id = randomUUID();
  return change(db, principal, async (tx) => {
    const row = await tx
      .insertInto("members")
      .values({ tenant_id: principal.tenantId, id, ...input })
      .onConflict((conflict) => conflict.columns(["tenant_id", "issuer", "subject"]).doNothing())
      .returningAll()
      .executeTakeFirst();
    if (row === undefined)
      throw new KeyholdError("duplicate", "This subject of this issuer is already a member.");
    return {
      value: toMember(row),
      events: [{ event: "member.added", detail: { member_id: id, role: input.role } }],
    };
  });
}

/** The members that the caller may see, newest first. */
export async function listMembers(
  db: Db,
  principal: Principal,
  page: PageRequest,
): Promise<Page<TenantMember>> {
  assertScope(principal, "members:read");
  const owner = soleOwner(principal);
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("members")
      .selectAll()
      .$if(owner !== null, (query) => query.where("id", "=", owner ?? ""))
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toMember);
}

/** Throws `forbidden` for another member that the caller may not see, `not_found` for any other id. */
export async function showMember(db: Db, principal: Principal, id: string): Promise<TenantMember> {
  assertScope(principal, "members:read");
  const row = await readTenant(db, scopeOf(principal), (tx) =>
    tx.selectFrom("members").selectAll().where("id", "=", id).executeTakeFirst(),
  );
  return row === undefined
    ? refuseMiss(db, principal, { kind: "member", id, action: "show" })
    : toMember(row);
}

/**
 * Changes role or status; in force immediately for secrets, and at the next request for everything else.
 * Throws `stale`, `forbidden` for a role above the caller's own and for a member that a higher rank has
 * suspended, and `illegal_state` for the last active owner, without whom no member could be added.
 */
export async function updateMember(
  db: Db,
  principal: Principal,
  id: string,
  input: Readonly<{ role?: Role; status?: MemberRow["status"] }>,
  revision?: number,
): Promise<Answered<TenantMember>> {
  assertScope(principal, "members:write");
  if (input.role !== undefined) assertMayGive(principal, input.role);
  // Refuses a miss. The member itself is read from its locked row.
  await showMember(db, principal, id);
  return change(db, principal, async (tx) => {
    await lockOwners(tx);
    const before = await lockMember(tx, id);
    assertSeen(before.revision, revision);
    assertMayGive(principal, before.role);
    assertNotBack(principal, before);
    const row = await tx
      .updateTable("members")
      .set({
        ...input,
        ...suspended(principal, before, input.status),
        revision: sql`revision + 1`,
        updated_at: sql`now()`,
      })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirstOrThrow();
    await assertOwnerLeft(tx);
    return {
      value: toMember(row),
      events: [{ event: "member.updated", detail: { member_id: id, changed: Object.keys(input) } }],
    };
  });
}

async function lockMember(tx: TenantTx, id: string): Promise<MemberRow> {
  return tx.selectFrom("members").selectAll().where("id", "=", id).forUpdate().executeTakeFirstOrThrow();
}

/**
 * A change is checked against the rights that its caller has once it is made. So a member that was demoted or
 * suspended a moment ago must not give itself its old rights back.
 */
function assertNotBack(principal: Principal, { id, role, status }: MemberRow): void {
  if (principal.kind !== "member" || principal.memberId !== id) return;
  if (role === principal.role && status === "active") return;
  throw new KeyholdError("unauthenticated", "Your role has changed. Send the request again.");
}

function suspended(principal: Principal, before: MemberRow, status: MemberRow["status"] | undefined) {
  const isOff = before.status === "suspended";
  if (status === "suspended") {
    return { suspended_rank: switchedOffBy(principal, isOff ? before.suspended_rank : undefined) };
  }
  if (status === undefined || !isOff) return {};
  assertMaySwitchOn(principal, before.suspended_rank, "member");
  return { suspended_rank: null };
}

/** If two owners suspend each other at once, the second must see what the first has done. */
async function lockOwners(tx: TenantTx): Promise<void> {
  await tx.selectFrom("members").select("id").where("role", "=", "owner").orderBy("id").forUpdate().execute();
}

async function assertOwnerLeft(tx: TenantTx): Promise<void> {
  const owner = await tx
    .selectFrom("members")
    .select("id")
    .where("role", "=", "owner")
    .where("status", "=", "active")
    .executeTakeFirst();
  if (owner === undefined)
    throw new KeyholdError("illegal_state", "A tenant must keep at least one active owner.");
}

/** Throws `forbidden` unless the caller's role may give or take this role. */
function assertMayGive(principal: Principal, role: Role): void {
  if (principal.kind === "system" || givenBy[principal.role]?.includes(role) === true) return;
  throw new KeyholdError("forbidden", `Your role ${principal.role} cannot give or take the role ${role}.`);
}

/**
 * The subject of the member whose id is in a column; `null` for a member that the transaction does not see.
 */
export function subjectOf(column: "accounts.owner_id" | "api_keys.member_id"): RawBuilder<string | null> {
  return sql<string | null>`(select m.subject from members m where m.id = ${sql.ref(column)})`;
}
