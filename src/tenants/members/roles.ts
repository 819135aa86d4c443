import { givenBy, type Role } from "../../access/permissions.ts";
import type { Principal } from "../../access/principal.ts";
import { KeyholdError } from "../../errors.ts";

/** Throws `forbidden` unless the caller's role may give, or take, this one. */
export function assertMayGive(principal: Principal, role: Role): void {
  if (principal.kind === "system" || givenBy[principal.role]?.includes(role) === true) return;
  throw new KeyholdError("forbidden", `Your role ${principal.role} cannot give or take the role ${role}.`);
}
