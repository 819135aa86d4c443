import { describe, expect, test } from "vitest";
import { assertMove, moves, statuses } from "../../../src/credentials/credential.ts";

/** The moves of the state machine, written down once more: from → to. */
const legal = [
  "pending → active",
  "pending → invalid",
  "pending → revoked",
  "active → inactive",
  "active → invalid",
  "active → expired",
  "active → revoked",
  "inactive → active",
  "inactive → revoked",
  "invalid → active",
  "invalid → revoked",
  "expired → active",
  "expired → revoked",
];

const pairs = statuses.flatMap((from) => statuses.map((to) => [from, to] as const));

describe("the states of a credential", () => {
  test("there are 36 pairs, and each legal move is one of them", () => {
    expect(pairs).toHaveLength(36);
    const named = pairs.map(([from, to]) => `${from} → ${to}`);
    expect(legal.filter((move) => !named.includes(move))).toEqual([]);
  });

  test.each(pairs)("%s → %s is legal exactly where the table says so", (from, to) => {
    const move = () => assertMove(from, to);
    if (legal.includes(`${from} → ${to}`)) expect(move).not.toThrow();
    else
      expect(move).toThrow(
        expect.objectContaining({ code: "illegal_state", facts: { credential_status: from } }),
      );
  });

  test("nothing leads out of revoked, and everything else leads into it", () => {
    expect(moves.revoked).toEqual([]);
    expect(statuses.filter((from) => from !== "revoked" && !moves[from].includes("revoked"))).toEqual([]);
  });
});
