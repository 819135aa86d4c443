import { sql } from "kysely";
import { type Member, type Principal, scopeOf } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { readTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { note } from "./change.ts";

/**
 * Makes the function that records that a member may not do what it asked for, unless the refusal is recorded
 * already. The function throws `record_unavailable`.
 */
export function refusalRecorder(db: Db) {
  return async (
    member: Member,
    refused: Readonly<{ kind: string; id: string; action: string }>,
    { code, facts, isRecorded }: KeyholdError,
  ): Promise<void> => {
    if (code !== "forbidden" || isRecorded) return;
    const { required_scope: scope, reason } = facts;
    const isCredential = refused.kind === "credential" && refused.id !== "";
    await note(db, member, {
      event: "access.refused",
      detail: {
        ...refused,
        ...(isCredential ? { credential_id: refused.id } : {}),
        ...(typeof scope === "string" ? { required_scope: scope } : {}),
      },
      outcome: typeof scope === "string" ? "scope" : typeof reason === "string" ? reason : "forbidden",
    });
  };
}

/**
 * The error for something that the principal does not see. If it belongs to another member, it is 403. If it
 * belongs to another tenant, it is 404 as if it did not exist. Both are recorded. Always throws.
 */
export async function refuseMiss(
  db: Db,
  principal: Principal,
  missing: Readonly<{
    kind: "credential" | "account" | "member" | "api_key" | "webhook" | "webhook_delivery";
    id: string;
    action: string;
  }>,
): Promise<never> {
  const { kind, id } = missing;
  const elsewhere = await readTenant(db, scopeOf(principal), async (tx) => {
    const { rows } = await sql<{
      found: boolean;
    }>`select access.exists_in_tenant(${kind}, ${id}::uuid) as found`.execute(tx);
    return rows[0]?.found === true;
  });
  await note(db, principal, {
    event: "access.refused",
    detail: missing,
    outcome: elsewhere ? "forbidden" : "absent",
  });
  const thing = kind.replace("_", " ");
  throw elsewhere
    ? new KeyholdError("forbidden", `The ${thing} belongs to another member.`, { isRecorded: true })
    : new KeyholdError("not_found", `There is no such ${thing}.`, { isRecorded: true });
}
