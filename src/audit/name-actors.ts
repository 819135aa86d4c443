import { type Principal, scopeOf } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { readTenant } from "../db/tenant.ts";
import type { RecordedEvent } from "./scan.ts";

type Actor = Readonly<Record<"member_id" | "api_key_id" | "subject", string | null>>;

/**
 * The events with the present names of their actors. The record contains ids, because its text must not
 * change when a name does.
 */
export async function nameActors(db: Db, principal: Principal, events: readonly RecordedEvent[]) {
  const actors = events.map(actorOf);
  const members = idsOf(actors, "member_id");
  const keys = idsOf(actors, "api_key_id");
  const { subjects, names } = await readTenant(db, scopeOf(principal), async (tx) => ({
    subjects: await tx
      .selectFrom("members")
      .select(["id", "subject as name"])
      .where("id", "in", members)
      .execute(),
    names: await tx.selectFrom("api_keys").select(["id", "name"]).where("id", "in", keys).execute(),
  }));
  return events.map((event, at) => {
    const { member_id = null, api_key_id = null, subject = null } = actors[at] ?? {};
    return {
      ...event,
      actor_subject: subject ?? nameOf(subjects, member_id),
      actor_api_key: nameOf(names, api_key_id),
    };
  });
}

function actorOf({ detail }: RecordedEvent): Actor {
  const actor: Record<string, unknown> = { ...Object.assign({}, detail["actor"]) };
  const textAt = (name: string): string | null => {
    const value = actor[name];
    return typeof value === "string" ? value : null;
  };
  return { member_id: textAt("member_id"), api_key_id: textAt("api_key_id"), subject: textAt("subject") };
}

/** An id that belongs to no row, because `in` needs a list that is not empty. */
const noRow = "00000000-0000-0000-0000-000000000000";

function idsOf(actors: readonly Actor[], name: "member_id" | "api_key_id"): readonly string[] {
  return [...new Set([noRow, ...actors.flatMap((actor) => actor[name] ?? [])])];
}

function nameOf(rows: readonly Readonly<{ id: string; name: string }>[], id: string | null): string | null {
  return rows.find((row) => row.id === id)?.name ?? null;
}
