import { type RawBuilder, sql, type SqlBool } from "kysely";
import { namesSubjects } from "../access/narrowing.ts";
import { assertScope, type Principal, scopeOf, soleOwner } from "../access/principal.ts";
import { refuseMiss } from "../audit/refusals.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import { readTenant } from "../db/tenant.ts";
import { freezesOf } from "../tenants/freeze.ts";
import type { Environment } from "../venues/venue.ts";
import { type Credential, type Status, toCredential } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { idOfVenue } from "./inspect.ts";
import { readRow } from "./rows.ts";
import { type OldVersionUse, oldVersionUses, usesOf } from "./version-uses.ts";
import { type Rotation, toRotation } from "./versions.ts";

export type CredentialFilter = Readonly<{
  accountId?: string;
  venue?: string;
  environment?: Environment;
  status?: Status;
  label?: string;
}>;

/**
 * The credentials that the caller may see, newest first. Throws `forbidden` for a filter by another member's
 * account, `not_found` by another tenant's.
 */
export async function list(
  custody: Pick<Custody, "db" | "venues">,
  principal: Principal,
  filter: CredentialFilter,
  page: PageRequest,
): Promise<Page<Credential>> {
  assertScope(principal, "credentials:read");
  const { accountId, environment, status, label } = filter;
  const owner = soleOwner(principal);
  const venue = filter.venue === undefined ? undefined : idOfVenue(custody, filter.venue);
  const rows = await readTenant(custody.db, scopeOf(principal), async (tx) => {
    if (accountId !== undefined) {
      const account = await tx
        .selectFrom("accounts")
        .select("id")
        .where("id", "=", accountId)
        .where("deleted_at", "is", null)
        .executeTakeFirst();
      if (account === undefined) return null;
    }
    return tx
      .selectFrom("credentials")
      .selectAll()
      .select(freezesOf("credentials").as("freezes"))
      .where("deleted_at", "is", null)
      .where((eb) =>
        eb.and([
          owner === null ? eb.lit(true) : eb("owner_id", "=", owner),
          accountId === undefined ? eb.lit(true) : eb("account_id", "=", accountId),
          venue === undefined ? eb.lit(true) : eb("venue", "=", venue),
          environment === undefined ? eb.lit(true) : eb("environment", "=", environment),
          status === undefined ? eb.lit(true) : eb("status", "=", status),
          label === undefined ? eb.lit(true) : eb("label", "=", label),
        ]),
      )
      .where(within(principal))
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute();
  });
  if (rows === null) {
    return refuseMiss(custody.db, principal, { kind: "account", id: accountId ?? "", action: "list" });
  }
  return toPage(rows, page.limit, toCredential);
}

/** The reach of a narrowed principal, for the sake of the indexes: row-level security enforces it in any case. */
function within(principal: Principal): RawBuilder<SqlBool> {
  if (principal.kind !== "member" || !namesSubjects(principal.narrowing)) return sql`true`;
  const { credentials, accounts } = principal.narrowing;
  return sql`(id = any (${credentials ?? []}::uuid[]) or account_id = any (${accounts ?? []}::uuid[]))`;
}

/** The metadata of one credential. Throws `forbidden` for another member's, `not_found` for any other id. */
export async function show(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
): Promise<Credential> {
  assertScope(principal, "credentials:read");
  return toCredential(await readRow(custody, principal, id, "show"));
}

/** The versions of a credential's secret; never the secret. */
type Versions = Readonly<{
  items: readonly Readonly<{
    version: number;
    state: "current" | "retired" | "destroyed";
    store: string;
    created_at: string;
    destroyed_at: string | null;
    /** Uses and reveals during the last rotation; `null` without one, and for a version that is destroyed. */
    uses: number | null;
  }>[];
  /** The last one, under way or ended. */
  rotation: Rotation | null;
  /** When there were more uses than are counted: the time of the first that is. */
  counted_since: string | null;
  /** Of the version that the last rotation has replaced. */
  old_version_uses: readonly OldVersionUse[];
}>;

const mostShown = 100;

/**
 * The versions of a credential, newest first, with the last rotation and the actors that may still need the
 * version it replaced.
 */
export async function listVersions(
  custody: Pick<Custody, "db" | "reports">,
  principal: Principal,
  id: string,
): Promise<Versions> {
  assertScope(principal, "credentials:read");
  await readRow(custody, principal, id, "versions");
  const { versions, last } = await readTenant(custody.db, scopeOf(principal), async (tx) => ({
    versions: await tx
      .selectFrom("credential_versions")
      .selectAll()
      .where("credential_id", "=", id)
      .orderBy("version", "desc")
      .limit(mostShown)
      .execute(),
    last: await tx
      .selectFrom("rotations")
      .selectAll()
      .where("credential_id", "=", id)
      .orderBy("started_at", "desc")
      .limit(1)
      .executeTakeFirst(),
  }));
  const uses = last === undefined ? null : await usesOf(custody, last);
  return {
    items: versions.map((row) => ({
      version: row.version,
      state: row.state,
      store: row.store,
      created_at: row.created_at.toISOString(),
      destroyed_at: row.destroyed_at?.toISOString() ?? null,
      uses: uses === null || row.state === "destroyed" ? null : (uses.counts.get(row.version) ?? 0),
    })),
    rotation: last === undefined ? null : toRotation(last),
    counted_since: uses?.countedSince ?? null,
    old_version_uses:
      uses !== null && last?.state === "overlap" ? await oldVersionUses(custody, last, uses.fallbacks) : [],
  };
}
