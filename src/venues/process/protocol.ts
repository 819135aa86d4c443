import type { VenueSettings } from "../settings.ts";
import type { KeyFailure } from "../venue-keys.ts";
import type { Environment, Invocation, OrderLookup } from "../venue.ts";
import type { Verdict } from "../verdict.ts";

/**
 * What the serving process asks of a venue process. The credential that it is about travels beside it,
 * sealed.
 */
export type Job = Readonly<{ venue: string; environment: Environment }> &
  (
    | Readonly<{ verb: "inspect" }>
    /** With a key that is made up in the form of the one that travels beside it. */
    | Readonly<{ verb: "learnRefusal" }>
    | Readonly<{ verb: "invoke"; invocation: Invocation }>
    | Readonly<{ verb: "findOrder"; order: Readonly<{ clientOrderId: string; symbol: string }> }>
    /** With the parent key and the current key. */
    | Readonly<{ verb: "createKey" | "findKey"; marker: string }>
    /** With the parent key, the current key and the key to delete. */
    | Readonly<{ verb: "revokeKey" }>
  );

export type KeyJob = Extract<Job, { verb: "createKey" | "findKey" | "revokeKey" }>;

export type KeyAnswer =
  /** `sealed`: fields for the serving process, sealed to the public key that came with the job. */
  | Readonly<{ outcome: "created" | "exists" | "found"; sealed: Uint8Array }>
  | Readonly<{ outcome: "revoked" | "absent" }>
  | KeyFailure;

export type Answer =
  | Verdict
  | OrderLookup
  /** In what form the venue refused a key that was made up; `null` where it gave no clear answer. */
  | Readonly<{ outcome: "learned"; form: string | null }>
  | KeyAnswer;

export type ToProcess =
  | Readonly<{ kind: "settings"; settings: VenueSettings }>
  /** Calls at these venues will come: their code may be loaded. */
  | Readonly<{ kind: "expect"; venues: readonly string[] }>
  /**
   * `sealed`: the credentials of the job, in its order. `replyTo`: the public key to which a new secret is
   * sealed.
   */
  | Readonly<{
      kind: "call";
      id: number;
      job: Job;
      sealed: readonly Uint8Array[];
      replyTo: Uint8Array | undefined;
    }>;

/** How often a venue process proves that its event loop turns. */
export const beatEveryMs = 250;

export type FromProcess =
  | Readonly<{ kind: "ready"; publicKey: Uint8Array }>
  /** The event loop turns. `cpuMs`: processor time of the process until now. */
  | Readonly<{ kind: "beat"; cpuMs: number }>
  /** The process works on the call. */
  | Readonly<{ kind: "begun"; id: number }>
  /** The first byte of the call may leave: the process says this before, never after. */
  | Readonly<{ kind: "sent"; id: number }>
  /** A market list is being parsed, which may take the event loop for seconds; or no longer. */
  | Readonly<{ kind: "loading"; active: boolean }>
  /** `memory`: bytes of the process's resident set, by which it is recycled. */
  | Readonly<{ kind: "answer"; id: number; answer: Answer; memory: number }>;
