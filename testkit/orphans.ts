import { readdir } from "node:fs/promises";
import type { Db } from "../src/db/connect.ts";

/** Something that belongs to nothing, and the tenant of which it was. */
export type Orphan = Readonly<{ tenantId: string; what: string }>;

/**
 * Sealed bytes that no version in force points at, versions in force without bytes, and intents that nobody ended; asked as the
 * owner, who sees all. `folder` is that of the store of files.
 */
export async function findOrphans(owner: Db, folder: string): Promise<readonly Orphan[]> {
  const [versions, rows, files, intents] = await Promise.all([
    owner
      .selectFrom("credential_versions")
      .select(["tenant_id", "store", "credential_id", "version"])
      .where("state", "<>", "destroyed")
      .execute(),
    owner.selectFrom("sealed_secrets").select(["tenant_id", "credential_id", "version"]).execute(),
    readdir(folder, { recursive: true }),
    owner.selectFrom("intents").select(["tenant_id", "kind"]).execute(),
  ]);
  const expected = new Map(versions.map((one) => [nameOf(one.store, one), one.tenant_id]));
  const found = new Map([
    ...rows.map((row) => [nameOf("postgres", row), row.tenant_id] as const),
    ...files.flatMap((path) => fileNamed(path)),
  ]);
  return [
    ...missingFrom(expected, found).map(([what, tenantId]) => ({ tenantId, what })),
    ...missingFrom(found, expected).map(([what, tenantId]) => ({ tenantId, what: `missing ${what}` })),
    ...intents.map(({ tenant_id, kind }) => ({ tenantId: tenant_id, what: `intent to ${kind}` })),
  ];
}

type VersionName = Readonly<{ credential_id: string; version: number }>;

function nameOf(store: string, { credential_id, version }: VersionName): string {
  return `${store} ${credential_id}.${version}`;
}

/** Folders of tenants hold nothing by themselves. */
function fileNamed(path: string): readonly (readonly [what: string, tenantId: string])[] {
  const [tenantId = "", name] = path.split("/");
  return name === undefined ? [] : [[`file ${name}`, tenantId]];
}

/** What stands in `from` and not in `among`. */
function missingFrom(
  among: ReadonlyMap<string, string>,
  from: ReadonlyMap<string, string>,
): readonly (readonly [what: string, tenantId: string])[] {
  return [...from].filter(([what]) => !among.has(what));
}
