import type { Custody } from "../custody.ts";
import { OwnedFields } from "../secret-fields.ts";
import { isFailure, laterAfter, type Next } from "./next.ts";
import type { Run } from "./run.ts";
import { withKeys } from "./with-keys.ts";
import { markerOf } from "../../venues/venue-keys.ts";

/** Deletes the key that was made, wherever it has got to. Only when the venue knows none with its note is the run over. */
export async function withdrawKey(custody: Custody, run: Run): Promise<Next> {
  return withKeys(custody, run, "revoke_key", async (keys, target) => {
    const found = await keys.find(target, markerOf(run.id));
    if (found.outcome === "absent") return givenUp(run);
    if (found.outcome !== "found") return laterAfter(found);
    using key = new OwnedFields(found.key);
    const revoked = await keys.revoke(target, key);
    return isFailure(revoked) ? laterAfter(revoked) : givenUp(run);
  });
}

function givenUp({ reason }: Run): Next {
  return { to: "given-up", reason: reason ?? "unknown", message: "The new key is deleted at the venue." };
}
