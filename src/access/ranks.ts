import { KeyholdError } from "../errors.ts";
import type { Role } from "./permissions.ts";
import type { Operator, Principal } from "./principal.ts";

/** The ranks, from the lowest to the highest. The rank that made a freeze, or a higher one, may end it. */
export const ranks = ["trader", "admin", "owner", "operator"] as const;
export type Rank = (typeof ranks)[number];
/** The ranks of members. */
export type MemberRank = Exclude<Rank, "operator">;

/** Roles that write nothing have no rank. */
const rankOfRole: Readonly<Record<Role, MemberRank | null>> = {
  owner: "owner",
  admin: "admin",
  trader: "trader",
  viewer: null,
  auditor: null,
};

/**
 * The rank of a principal inside its tenant; the service itself has that of owners. Throws `forbidden` for an
 * agent and for a role without a rank.
 */
function memberRankOf(principal: Principal): MemberRank {
  if (principal.kind === "system") return "owner";
  const rank = principal.agent ? null : rankOfRole[principal.role];
  if (rank !== null) return rank;
  throw new KeyholdError("forbidden", "An agent neither freezes nor switches anything on or off.");
}

/** The rank of a principal or an operator. */
export function rankOf(actor: Principal | Operator): Rank {
  return actor.kind === "operator" ? "operator" : memberRankOf(actor);
}

export function isAtLeast(rank: Rank, other: Rank): boolean {
  return ranks.indexOf(rank) >= ranks.indexOf(other);
}

/**
 * The rank to store when this principal switches off something that is on (`undefined`) or was switched off
 * by `earlier`.
 */
export function switchedOffBy(principal: Principal, earlier: MemberRank | null | undefined): MemberRank {
  const own = memberRankOf(principal);
  if (earlier === undefined) return own;
  const kept = earlier ?? "owner";
  return isAtLeast(own, kept) ? own : kept;
}

/** Throws `forbidden` unless the principal has the rank that switched it off; `null` counts as owner. */
export function assertMaySwitchOn(principal: Principal, switchedOff: MemberRank | null, thing: string): void {
  const needed = switchedOff ?? "owner";
  if (isAtLeast(memberRankOf(principal), needed)) return;
  throw new KeyholdError(
    "forbidden",
    `The ${thing} was switched off with the rank ${needed}. Ask a member of that rank to switch it on.`,
    { facts: { reason: "rank", required_rank: needed } },
  );
}
