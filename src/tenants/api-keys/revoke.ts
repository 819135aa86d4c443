import { sql } from "kysely";
import { assertScope, type Principal } from "../../access/principal.ts";
import { type Answered, change } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import { refuseMiss } from "../../audit/refusals.ts";

/**
 * Ends an API key: no secret is opened with it from this moment, and nothing else after two seconds at most. Revoking again
 * changes nothing but the record. The keys that it has made end with it. Answers whose it was. Throws `forbidden` for another member's key, `not_found` for any other id.
 */
export async function revokeApiKey(
  db: Db,
  principal: Principal,
  id: string,
): Promise<Answered<Readonly<{ memberId: string }>>> {
  assertScope(principal, "api-keys:write");
  try {
    return await change(db, principal, async (tx) => {
      const row = await tx
        .updateTable("api_keys")
        .set({ revoked_at: sql`coalesce(revoked_at, now())` })
        .where("id", "=", id)
        .returning("member_id")
        .executeTakeFirst();
      if (row === undefined) throw new Missing();
      return {
        value: { memberId: row.member_id },
        events: [{ event: "api_key.revoked", detail: { api_key_id: id } }],
      };
    });
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return refuseMiss(db, principal, { kind: "api_key", id, action: "revoke" });
  }
}

/** Ends the transaction; what the miss means is asked, and recorded, outside it. */
class Missing extends Error {}
