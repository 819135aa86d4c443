import type { RecordedEvent } from "../audit/scan.ts";
import { walkEvents } from "../audit/search.ts";
import { readTenant, serviceScope } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import type { RotationRow } from "./versions.ts";

/** The purposes of callers. When Keyhold opens a secret by itself, to check or to keep it, that is no use. */
const purposes: readonly unknown[] = ["invoke", "fallback", "scope"];

/**
 * Counts, from the record, the uses and reveals of each version while a rotation was under way. `fallbacks`:
 * those of them in which the venue accepted the old version and refused the new one. `countedSince`: the time
 * of the first counted use, when the record is too long for all of them.
 */
export async function usesOf(
  { reports }: Pick<Custody, "reports">,
  { tenant_id, credential_id, started_at, ended_at }: RotationRow,
): Promise<
  Readonly<{
    counts: ReadonlyMap<number, number>;
    fallbacks: readonly RecordedEvent[];
    countedSince: string | null;
  }>
> {
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

/** An actor that used or saw the old version, and may still hold or need it. */
export type OldVersionUse = Readonly<{
  actor: Readonly<Record<string, unknown>>;
  /** `fallback`: the venue refused the new one. `revealed`: the plaintext was given out while it was in force. */
  how: "fallback" | "revealed";
  count: number;
  last_at: string;
  /** Whether the plaintext of the new one was given to the same actor since. */
  has_new: boolean;
}>;

const mostShown = 100;

/**
 * The actors, from the record, to whom the old version was revealed since it was made, or who fell back to it
 * since the rotation. Those who have not seen the new one come first.
 */
export async function oldVersionUses(
  custody: Pick<Custody, "db" | "reports">,
  rotation: RotationRow,
  fallbacks: readonly RecordedEvent[],
): Promise<readonly OldVersionUse[]> {
  const { items } = await revealsOf(custody, rotation);
  return group(rotation, [...items, ...fallbacks]).slice(0, mostShown);
}

/** Reveals since the old version was made. */
async function revealsOf(
  { db, reports }: Pick<Custody, "db" | "reports">,
  { tenant_id, credential_id, from_version }: RotationRow,
): ReturnType<typeof walkEvents> {
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

/** Groups events, the newest first, by their actor without its address and request. */
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

/** An event of an early release of Keyhold names no version: there the time decides. */
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

/** In this time without a fallback, every caller has had another use. */
const quietMs = 3_600_000;

/**
 * Whether no caller needs the old version any more: for an hour no use fell back to it, and every actor that
 * saw it has seen the new one. `false` when there are more reveals than one search reads.
 */
export async function isUnused(
  custody: Pick<Custody, "db" | "reports">,
  rotation: RotationRow & Readonly<{ now: Date }>,
): Promise<boolean> {
  const { items, isComplete } = await revealsOf(custody, rotation);
  if (!isComplete || group(rotation, items).some(({ has_new }) => !has_new)) return false;
  const { last_fallback_at: last } = rotation;
  return last === null || rotation.now.getTime() - last.getTime() >= quietMs;
}
