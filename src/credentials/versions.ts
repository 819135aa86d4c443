import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { readTenant } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import { type OldVersionUse, oldVersionUses } from "./old-version-uses.ts";
import { type Rotation, toRotation } from "./rotation.ts";
import { readRow } from "./show.ts";
import { usesOf } from "./version-uses.ts";

/** One version of a credential's secret; never the secret. */
export type Version = Readonly<{
  version: number;
  state: "current" | "retired" | "destroyed";
  store: string;
  created_at: string;
  destroyed_at: string | null;
  /** How often callers used it, or were shown it, during the last rotation; `null` without one, and for what is destroyed. */
  uses: number | null;
}>;

export type Versions = Readonly<{
  items: readonly Version[];
  /** The last one, under way or ended. */
  rotation: Rotation | null;
  /** When there were more uses than are counted: the time of the first that is. */
  counted_since: string | null;
  /** Of the version that the last rotation has replaced. */
  old_version_uses: readonly OldVersionUse[];
}>;

const mostShown = 100;

/** The versions of a credential, newest first, with the last rotation and who may still need what it replaced. */
export async function listVersions(
  custody: Pick<Custody, "db" | "reports">,
  principal: Principal,
  id: string,
): Promise<Versions> {
  assertScope(principal, "credentials:read");
  await readRow(custody, principal, id, "versions");
  const { versions, last } = await readTenant(custody.db, scopeOf(principal), async (tx) => ({
    versions: await tx
      .selectFrom("credential_versions")
      .selectAll()
      .where("credential_id", "=", id)
      .orderBy("version", "desc")
      .limit(mostShown)
      .execute(),
    last: await tx
      .selectFrom("rotations")
      .selectAll()
      .where("credential_id", "=", id)
      .orderBy("started_at", "desc")
      .limit(1)
      .executeTakeFirst(),
  }));
  const uses = last === undefined ? null : await usesOf(custody, last);
  return {
    items: versions.map((row) => ({
      version: row.version,
      state: row.state,
      store: row.store,
      created_at: row.created_at.toISOString(),
      destroyed_at: row.destroyed_at?.toISOString() ?? null,
      uses: uses === null || row.state === "destroyed" ? null : (uses.counts.get(row.version) ?? 0),
    })),
    rotation: last === undefined ? null : toRotation(last),
    counted_since: uses?.countedSince ?? null,
    old_version_uses:
      uses !== null && last?.state === "overlap" ? await oldVersionUses(custody, last, uses.fallbacks) : [],
  };
}
