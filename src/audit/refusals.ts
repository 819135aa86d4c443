import type { Member } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import type { KeyholdError } from "../errors.ts";
import { note } from "./change.ts";

/** What was asked for and refused: of what kind, its id where one was named, and the operation. */
export type Refused = Readonly<{ kind: string; id: string; action: string }>;

/** Records that a member may not do what it asked for, unless the record tells of it already. Throws `record_unavailable`. */
export type RecordRefusal = (member: Member, refused: Refused, error: KeyholdError) => Promise<void>;

export function refusalRecorder(db: Db): RecordRefusal {
  return async (member, refused, { code, facts, isRecorded }) => {
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
