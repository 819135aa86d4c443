/** What the columns hold that are JSON. */

/** What the venue said that a key may do, as it is kept and shown. */
export type StoredPermissions = Readonly<
  Record<"read" | "trade" | "transfer" | "withdraw", "yes" | "no" | "unknown"> & {
    /** Addresses that the venue binds the key to; `null` where the venue does not show them. */
    bound_ips: readonly string[] | null;
    unknown_words: readonly string[];
  }
>;

/** What the venue said of the account behind a key, as it is kept and shown. */
export type StoredAccountFacts = Readonly<{
  id?: string;
  number?: string;
  type?: string;
  status?: string;
  blocked?: readonly string[];
}>;

/** What a tenant decides for its credentials. */
export type TenantPolicy = Readonly<
  { check_minutes?: number } & Partial<
    Record<"allow_withdraw" | "allow_unknown_permissions" | "allow_deferred" | "allow_unproven", boolean>
  >
>;

/** What the operator grants a tenant, each per minute; the configured default where one is left out. */
export type StoredLimits = Readonly<{
  requests_per_minute?: number;
  reveals_per_minute?: number;
  invokes_per_minute?: number;
}>;

/** As the record names an actor. */
export type StoredActor = Readonly<{
  kind: "member" | "system" | "operator";
  member_id?: string;
  task?: string;
}>;
