import type { Db } from "../db/connect.ts";
import { refuseUnproven } from "./change.ts";
import { type Proof, UnprovenRights } from "./grant.ts";
import type { Asked, Grants } from "./grants.ts";

/** Whether the grants let the version be opened that is asked for. Throws `rights_unproven`, which is recorded first. */
export type Prove = (tenantId: string, proof: Proof, asked: Asked) => Promise<boolean>;

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
