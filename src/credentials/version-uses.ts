import type { RecordedEvent } from "../audit/read.ts";
import { type Walked, walkEvents } from "../audit/walk.ts";
import { readTenant, serviceScope } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import type { RotationRow } from "./versions.ts";

/** What a caller has of a secret. What Keyhold opens it for by itself, to check or to keep it, is no use. */
const purposes: readonly unknown[] = ["invoke", "fallback", "scope"];

export type VersionUses = Readonly<{
  /** How often each version was used or revealed; one that was not is not there. */
  counts: ReadonlyMap<number, number>;
  /** Of the counted uses those of the old version, which the venue accepted while it refused the new one. */
  fallbacks: readonly RecordedEvent[];
  /** When the record is too long for all to be counted: the time of the first use that was. */
  countedSince: string | null;
}>;

/** From the record: the uses while a rotation was under way, the newest first. */
export async function usesOf(
  { reports }: Pick<Custody, "reports">,
  { tenant_id, credential_id, started_at, ended_at }: RotationRow,
): Promise<VersionUses> {
  const span = { since: started_at, ...(ended_at === null ? {} : { until: ended_at }) };
  const filter = { credentialId: credential_id, outcome: "ok", ...span };
  const { items, isComplete } = await walkEvents(reports, tenant_id, filter);
  const uses = items.filter(isUse);
  const counts = new Map<number, number>();
  for (const { detail } of uses) {
    const { version } = detail;
    if (typeof version === "number") counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  return {
    counts,
    fallbacks: uses.filter(({ detail }) => detail["purpose"] === "fallback"),
    countedSince: isComplete ? null : (items.at(-1)?.at ?? started_at.toISOString()),
  };
}

function isUse({ event, detail }: RecordedEvent): boolean {
  return (
    event === "credential.revealed" || (event === "credential.used" && purposes.includes(detail["purpose"]))
  );
}

/** Who has had to do with the old version, and may still hold or need it. */
export type OldVersionUse = Readonly<{
  actor: Readonly<Record<string, unknown>>;
  /** `fallback`: the venue refused the new one. `revealed`: the plaintext was given out while it was in force. */
  how: "fallback" | "revealed";
  count: number;
  last_at: string;
  /** Whether the plaintext of the new one was given to the same actor since. */
  has_new: boolean;
}>;

type Needs = Pick<Custody, "db" | "reports">;

const mostShown = 100;

/**
 * From the record: who was shown the old version since it was made, and who fell back to it since the rotation. First those who have
 * not got the new one.
 */
export async function oldVersionUses(
  custody: Needs,
  rotation: RotationRow,
  fallbacks: readonly RecordedEvent[],
): Promise<readonly OldVersionUse[]> {
  const { items } = await revealsOf(custody, rotation);
  return group(rotation, [...items, ...fallbacks]).slice(0, mostShown);
}

/** Reveals since the old version was made. */
async function revealsOf(
  { db, reports }: Needs,
  { tenant_id, credential_id, from_version }: RotationRow,
): Promise<Walked> {
  const made = await readTenant(db, serviceScope(tenant_id), (tx) =>
    tx
      .selectFrom("credential_versions")
      .select("created_at")
      .where("credential_id", "=", credential_id)
      .where("version", "=", from_version)
      .executeTakeFirst(),
  );
  const since = made === undefined ? {} : { since: made.created_at };
  const filter = { credentialId: credential_id, event: "credential.revealed", outcome: "ok", ...since };
  return walkEvents(reports, tenant_id, filter);
}

/** By actor, apart from the address and the request. Events come newest first. */
function group(rotation: RotationRow, events: readonly RecordedEvent[]): readonly OldVersionUse[] {
  const uses = new Map<string, OldVersionUse>();
  const followed = new Set<string>();
  for (const one of events) {
    const { actor, name } = actorOf(one);
    if (showsNew(rotation, one)) {
      followed.add(name);
      continue;
    }
    const how = one.event === "credential.revealed" ? "revealed" : "fallback";
    const { count = 0, last_at = one.at } = uses.get(`${how} ${name}`) ?? {};
    uses.set(`${how} ${name}`, { actor, how, count: count + 1, last_at, has_new: false });
  }
  return [...uses]
    .map(([key, use]) => ({ ...use, has_new: followed.has(key.slice(use.how.length + 1)) }))
    .toSorted((a, b) => Number(a.has_new) - Number(b.has_new) || (a.last_at < b.last_at ? 1 : -1));
}

/** An event of an early version of Keyhold names no version: there the time decides. */
function showsNew({ from_version, started_at }: RotationRow, { event, detail, at }: RecordedEvent): boolean {
  if (event !== "credential.revealed") return false;
  const { version } = detail;
  return typeof version === "number" ? version > from_version : new Date(at) > started_at;
}

function actorOf({ detail }: RecordedEvent): Readonly<{ actor: Record<string, unknown>; name: string }> {
  const {
    address: _address,
    request_id: _request,
    ...actor
  } = Object.assign({ address: null, request_id: null }, detail["actor"]);
  const name = JSON.stringify(Object.entries(actor).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return { actor, name };
}

/** Long enough without a fallback for everybody to have come by again. */
const quietMs = 3_600_000;

/**
 * Whether nobody needs the old version any more: nobody fell back to it for an hour, and whoever was shown it was shown the new one. Not
 * so when there are more reveals than are looked at.
 */
export async function isUnused(
  custody: Needs,
  rotation: RotationRow & Readonly<{ now: Date }>,
): Promise<boolean> {
  const { items, isComplete } = await revealsOf(custody, rotation);
  if (!isComplete || group(rotation, items).some(({ has_new }) => !has_new)) return false;
  const { last_fallback_at: last } = rotation;
  return last === null || rotation.now.getTime() - last.getTime() >= quietMs;
}
