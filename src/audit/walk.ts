import { system } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { type EventFilter, readEvents, type RecordedEvent } from "./read.ts";

/** Events that were found, newest first. Where `isComplete` is false there may be older ones that were not looked at. */
export type Walked = Readonly<{ items: readonly RecordedEvent[]; isComplete: boolean }>;

const eventsOfPage = 1000;
const mostPages = 5;

/**
 * The events that a filter asks for, for the service's own use, newest first: what five pages of a search find. Each page looks at
 * 2,000 events at most, so that a long record makes no answer slow.
 */
export async function walkEvents(db: Db, tenantId: string, filter: EventFilter): Promise<Walked> {
  const items: RecordedEvent[] = [];
  let beforeSeq: number | null = null;
  for (let page = 0; page < mostPages; page += 1) {
    const found = await readEvents(db, system(tenantId, "versions"), filter, {
      limit: eventsOfPage,
      beforeSeq,
    });
    items.push(...found.items);
    if (found.next === null) return { items, isComplete: true };
    beforeSeq = found.next;
  }
  return { items, isComplete: false };
}
