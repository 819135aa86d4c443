import { createHash } from "node:crypto";
import { z } from "zod";

/** A kind of thing that happened to one credential or account, of which one endpoint is to be told. */
export type Subject = Readonly<{ path: string; type: string; id: string }>;

/** A message as the receiver had it. */
export type Arrival = Subject &
  Readonly<{
    messageId: string;
    /** Of its body, byte by byte. */
    digest: string;
    /** Whether the signature is the endpoint's. */
    verifies: boolean;
    /** Whether it is about the tenant whose endpoint this is. */
    isOwn: boolean;
  }>;

/** What became of the outbox, by the state of its rows. */
export type Outbox = Readonly<{ queued: number; delivered: number }>;

export type Findings = Readonly<{
  /** What happened, and how often. */
  happened: ReadonlyMap<string, number>;
  arrivals: readonly Arrival[];
  outbox: Outbox;
  kills: number;
  /** Messages that the receiver had and answered with 500, or with nothing. */
  failed: number;
  hungUp: number;
  seconds: number;
}>;

export function keyOf({ path, type, id }: Subject): string {
  return `${type} ${path} ${id}`;
}

export function typeIn(key: string): string {
  return key.split(" ")[0] ?? "";
}

export function digestOf(payload: string): string {
  return createHash("sha256").update(payload).digest("hex");
}

const aboutShape = z.object({ credential_id: z.string().optional(), account_id: z.string().optional() });

/** What a message is about. */
export function idIn(data: Readonly<Record<string, unknown>>): string {
  const { credential_id, account_id } = aboutShape.parse(data);
  return credential_id ?? account_id ?? "";
}
