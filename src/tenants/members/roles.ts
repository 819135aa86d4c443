import { type Role, roles, type Scope } from "../../access/permissions.ts";
import type { Principal } from "../../access/principal.ts";
import { KeyholdError } from "../../errors.ts";

/** Throws `forbidden` where a role would give scopes that the caller's own role does not: nobody raises anybody above himself. */
export function assertMayGive(principal: Principal, role: Role): void {
  if (principal.kind === "system") return;
  const own: readonly Scope[] = roles[principal.role].scopes;
  if (roles[role].scopes.every((scope) => own.includes(scope))) return;
  throw new KeyholdError("forbidden", `Your role ${principal.role} cannot give the role ${role}.`);
}
