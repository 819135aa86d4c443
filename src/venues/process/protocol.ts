import type { KeyAnswer, KeyJob } from "../keys/job.ts";
import type { VenueSettings } from "../settings.ts";
import type { Environment, Invocation, InvokeResult, OrderLookup } from "../venue.ts";
import type { Verdict } from "../verdict.ts";

/** What the serving process asks of a venue process. Secrets travel beside it, sealed. */
export type Job = Readonly<{ venue: string; environment: Environment }> &
  (
    | Readonly<{ verb: "inspect" }>
    /** With a key that is made up in the form of the one that travels beside it. */
    | Readonly<{ verb: "learnRefusal" }>
    | Readonly<{ verb: "invoke"; invocation: Invocation }>
    | Readonly<{ verb: "findOrder"; order: Readonly<{ clientOrderId: string; symbol: string }> }>
  );

/** In what form the venue refused a key that was made up; `null` where it gave no clear answer. */
type Learned = Readonly<{ outcome: "learned"; form: string | null }>;

export type Answer = Verdict | InvokeResult | OrderLookup | Learned;

export type ToProcess =
  | Readonly<{ kind: "settings"; settings: VenueSettings }>
  /** Calls at these venues will come: their code may be loaded. */
  | Readonly<{ kind: "expect"; venues: readonly string[] }>
  | Readonly<{ kind: "call"; id: number; job: Job; sealed: Uint8Array }>
  /** `sealed`: the credentials that the job works with, in its order. `replyTo`: to whom a new secret is sealed. */
  | Readonly<{
      kind: "keyCall";
      id: number;
      job: KeyJob;
      sealed: readonly Uint8Array[];
      replyTo: Uint8Array;
    }>;

/** How often a venue process proves that its event loop turns. */
export const beatEveryMs = 250;

export type FromProcess =
  | Readonly<{ kind: "ready"; publicKey: Uint8Array }>
  /** The event loop turns. `cpuMs`: processor time of the process until now. */
  | Readonly<{ kind: "beat"; cpuMs: number }>
  /** The call is being worked on. */
  | Readonly<{ kind: "begun"; id: number }>
  /** The first byte of the call may leave: this is said before, never after. */
  | Readonly<{ kind: "sent"; id: number }>
  /** A market list is being parsed, which may take the event loop for seconds; or no longer. */
  | Readonly<{ kind: "loading"; active: boolean }>
  /** `memory`: bytes of the process's resident set, by which it is recycled. */
  | Readonly<{ kind: "answer"; id: number; answer: Answer; memory: number }>
  | Readonly<{ kind: "keyAnswer"; id: number; answer: KeyAnswer; memory: number }>;
