import type { Promised } from "../proof.ts";
import { type Arrival, type Findings, keyOf, typeIn } from "./book.ts";

/** By name, so that each control can say which of them it breaks. */
export type WebhookPromises = Readonly<
  Record<"lost" | "ids" | "altered" | "signatures" | "strangers" | "noted", Promised>
>;

type Judged = Pick<Findings, "happened" | "arrivals" | "outbox">;

export function judge({ happened, arrivals, outbox }: Judged): WebhookPromises {
  const counts = countAll(happened, arrivals);
  const sum = (number: (count: Count) => number): number =>
    counts.reduce((total, count) => total + number(count), 0);
  const again = sum((count) => count.messages - count.ids);
  const surplus = sum((count) => Math.max(0, count.ids - count.events));
  return {
    lost: {
      text: "events of which the receiver was never told",
      tried: sum(({ events }) => events),
      broken: sum(lostOf),
    },
    ids: {
      text: "messages that came again came under another id",
      tried: again + surplus,
      broken: surplus,
    },
    altered: {
      text: "messages that came again were not the same, byte by byte",
      tried: again,
      broken: countAltered(arrivals),
    },
    signatures: {
      text: "messages whose signature does not verify",
      tried: arrivals.length,
      broken: arrivals.filter(({ verifies }) => !verifies).length,
    },
    strangers: {
      text: "messages came to an endpoint of another tenant",
      tried: arrivals.length,
      broken: arrivals.filter(({ isOwn }) => !isOwn).length,
    },
    noted: {
      text: "messages were not noted as delivered at the end",
      tried: outbox.queued,
      broken: outbox.queued - outbox.delivered,
    },
  };
}

/** What happened to one thing, and what came of it. */
type Count = Readonly<{ type: string; events: number; messages: number; ids: number }>;

const lostOf = ({ events, ids }: Count): number => Math.max(0, events - ids);

function countAll(happened: Findings["happened"], arrivals: readonly Arrival[]): readonly Count[] {
  const arrived = Map.groupBy(arrivals, keyOf);
  return [...new Set([...happened.keys(), ...arrived.keys()])].map((key) => {
    const some = arrived.get(key) ?? [];
    const ids = new Set(some.map(({ messageId }) => messageId)).size;
    return { type: typeIn(key), events: happened.get(key) ?? 0, messages: some.length, ids };
  });
}

/** Those that differ from the first of their id. */
function countAltered(arrivals: readonly Arrival[]): number {
  const first = new Map<string, string>();
  return arrivals.filter(({ messageId, digest }) => {
    const known = first.get(messageId);
    if (known === undefined) first.set(messageId, digest);
    return known !== undefined && known !== digest;
  }).length;
}

/** What came of one kind of event. */
export type Row = Readonly<{ type: string; events: number; messages: number; again: number; lost: number }>;

/** A row for each kind, and one for all. */
export function rowsOf({ happened, arrivals }: Pick<Findings, "happened" | "arrivals">): readonly Row[] {
  const counts = countAll(happened, arrivals);
  const rowOf = (type: string, some: readonly Count[]): Row => ({
    type,
    events: some.reduce((sum, { events }) => sum + events, 0),
    messages: some.reduce((sum, { messages }) => sum + messages, 0),
    again: some.reduce((sum, { messages, ids }) => sum + messages - ids, 0),
    lost: some.reduce((sum, count) => sum + lostOf(count), 0),
  });
  const kinds = [...Map.groupBy(counts, ({ type }) => type)].toSorted(([a], [b]) => a.localeCompare(b));
  return [...kinds.map(([type, some]) => rowOf(type, some)), rowOf("all", counts)];
}
