import type { Custody } from "./custody.ts";
import type { RotationRow } from "./rotation.ts";
import type { RecordedEvent } from "../audit/scan.ts";
import { walkEvents } from "../audit/search.ts";

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
