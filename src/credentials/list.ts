import { refuseMiss } from "../access/misses.ts";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import { readTenant } from "../db/tenant.ts";
import { freezesOf } from "../tenants/freezes.ts";
import type { Environment } from "../venues/venue.ts";
import type { Credential, Status } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { idOfVenue } from "./inspect.ts";
import { toCredential } from "./rows.ts";

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
          accountId === undefined ? eb.lit(true) : eb("account_id", "=", accountId),
          venue === undefined ? eb.lit(true) : eb("venue", "=", venue),
          environment === undefined ? eb.lit(true) : eb("environment", "=", environment),
          status === undefined ? eb.lit(true) : eb("status", "=", status),
          label === undefined ? eb.lit(true) : eb("label", "=", label),
        ]),
      )
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
