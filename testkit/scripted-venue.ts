import type { Custody } from "../src/credentials/custody.ts";
import type {
  CallTarget,
  Invocation,
  InvokeResult,
  OrderLookup,
  Venue,
  VenueDescription,
} from "../src/venues/venue.ts";
import type { Permissions, Valid, Verdict } from "../src/venues/verdict.ts";

const description: VenueDescription = {
  id: "scripted",
  name: "Scripted",
  environments: ["live", "paper"],
  fields: ["api_key", "api_secret"],
  provable: true,
  reports: { permissions: true, boundIps: true, expiry: true, account: true },
  risingNonce: false,
  clientOrderIds: true,
  operations: ["fetchBalance", "createOrder", "cancelOrder", "transfer", "withdraw"],
  transferAccounts: ["spot", "margin"],
};

/** A venue that answers what the test says, and counts what it was asked. Where wire and signatures matter, use the simulator. */
export class ScriptedVenue implements Venue {
  readonly description: VenueDescription;
  verdict: (target: CallTarget) => Verdict | Promise<Verdict> = () => valid();
  answer: (invocation: Invocation) => InvokeResult | Promise<InvokeResult> = () => done;
  lookUp: (order: { clientOrderId: string; symbol: string }) => OrderLookup | Promise<OrderLookup> = () => ({
    outcome: "absent",
  });
  inspections = 0;
  invocations = 0;
  lookUps = 0;

  constructor(changes: Partial<VenueDescription> = {}) {
    this.description = { ...description, ...changes };
  }

  async inspect(target: CallTarget): Promise<Verdict> {
    this.inspections += 1;
    return this.verdict(target);
  }

  async invoke(_target: CallTarget, invocation: Invocation): Promise<InvokeResult> {
    this.invocations += 1;
    return this.answer(invocation);
  }

  async findOrder(
    _target: CallTarget,
    order: { clientOrderId: string; symbol: string },
  ): Promise<OrderLookup> {
    this.lookUps += 1;
    return this.lookUp(order);
  }

  /** The same custody, with this venue as the only one. */
  in(custody: Custody): Custody {
    const { id } = this.description;
    const venues = {
      get: (name: string) => (name === id ? this : undefined),
      list: () => [this.description],
      endsWithinMs: 13_000,
    };
    return { ...custody, venues };
  }
}

const done: InvokeResult = { outcome: "done", result: { id: "1" } };

const permissions: Permissions = {
  read: "yes",
  trade: "yes",
  withdraw: "no",
  transfer: "no",
  boundIps: [],
  unknownWords: [],
};

/** A key that works, may read and trade, and never ends. */
export function valid(
  changes: Partial<Omit<Valid, "permissions">> & { permissions?: Partial<Permissions> } = {},
): Valid {
  return {
    outcome: "valid",
    expiresAt: null,
    account: { id: "account-1" },
    ...changes,
    permissions: { ...permissions, ...changes.permissions },
  };
}

/** Every way in which a venue does not say `valid`. */
export const refusals: readonly Exclude<Verdict, Valid>[] = [
  ...(
    [
      "bad_key",
      "bad_signature",
      "bad_passphrase",
      "expired",
      "revoked",
      "wrong_environment",
      "malformed",
    ] as const
  ).map((reason) => ({ outcome: "rejected", reason, message: `Scripted: ${reason}.` }) as const),
  { outcome: "ambiguous", causes: ["key", "permission", "address"], message: "Scripted: ambiguous." },
  ...(
    [
      "insufficient_permission",
      "ip_not_allowed",
      "clock_skew",
      "nonce",
      "rate_limited",
      "venue_unavailable",
      "timeout",
      "blocked",
      "unexpected_answer",
      "unproven",
    ] as const
  ).map((outcome) => ({ outcome, message: `Scripted: ${outcome}.` }) as const),
];
