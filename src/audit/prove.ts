import type { Prove } from "../access/proof.ts";
import type { Db } from "../db/connect.ts";
import { refuseUnproven } from "./change.ts";
import { UnprovenRights } from "./grant.ts";
import type { Grants } from "./grants.ts";

/** A proof by the grants that this installation signed. */
export function prover(db: Db, grants: Pick<Grants, "examine">): Prove {
  return async (tenantId, proof, asked) => {
    try {
      return await grants.examine(tenantId, proof, asked);
    } catch (error) {
      if (error instanceof UnprovenRights) return refuseUnproven(db, error);
      throw error;
    }
  };
}
