import { type RawBuilder, sql, type SqlBool } from "kysely";
import { namesSubjects } from "../access/narrowing.ts";
import { assertScope, type Principal, scopeOf, soleOwner } from "../access/principal.ts";
import { refuseMiss } from "../audit/misses.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import { readTenant } from "../db/tenant.ts";
import type { Environment } from "../venues/venue.ts";
import type { Credential, Status } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { idOfVenue } from "./inspect.ts";
import { toCredential } from "./rows.ts";
import { freezesOf } from "../tenants/freeze.ts";

export type CredentialFilter = Readonly<{
  accountId?: string;
  venue?: string;
  environment?: Environment;
  status?: Status;
  label?: string;
}>;

/**
 * What the caller may see, newest first. Filtering by another member's account is `forbidden`, by another tenant's
 * `not_found`.
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

/** What a narrowed principal reaches, said for the indexes: row-level security holds it in any case. */
function within(principal: Principal): RawBuilder<SqlBool> {
  if (principal.kind !== "member" || !namesSubjects(principal.narrowing)) return sql`true`;
  const { credentials, accounts } = principal.narrowing;
  return sql`(id = any (${credentials ?? []}::uuid[]) or account_id = any (${accounts ?? []}::uuid[]))`;
}
