import { setTimeout as sleep } from "node:timers/promises";
import { system } from "../access/principal.ts";
import { KeyholdError } from "../errors.ts";
import type { InvokeResult } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { fallBack } from "./fall-back.ts";
import { inTurn, venueOf } from "./inspect.ts";
import type { Invocation } from "./invocation.ts";
import { type Opened, openSecret, useOf } from "./open.ts";
import { refusesKey } from "./outcome.ts";
import { validate } from "./validate.ts";

/**
 * Opens the secret for one call of the venue; an operation's class must be in the credential's policy. Throws
 * what `openSecret` throws, and `no_turn`; `sending` knows whether the venue was asked.
 */
export async function callVenue(
  custody: Custody,
  { principal, credentialId, operation, params }: Invocation,
  sending: Sending,
): Promise<InvokeResult> {
  const detail = { purpose: "invoke", operation: operation.name };
  const request = useOf(principal, credentialId, operation.class, detail);
  const callWith = async ({ disclosure, fields }: Opened): Promise<InvokeResult> => {
    const { environment } = disclosure;
    const venue = venueOf(custody, disclosure.venue, environment);
    const { clientOrderId } = sending;
    const order = clientOrderId === null ? {} : { clientOrderId };
    const { tenantId } = principal;
    const ask = (): Promise<InvokeResult> =>
      venue.invoke({ tenantId, environment, fields }, { operation: operation.name, params, ...order });
    const call = (): Promise<InvokeResult> =>
      sending.call(operation.class === "read" ? () => readAgain(ask) : ask);
    return inTurn(custody, venue, { tenantId, fields }, call);
  };
  const answer = await openSecret(custody, request, callWith);
  if (!refusesKey(answer) || answer.unsent === true) return answer;
  // The venue has answered. That the old secret cannot be tried takes nothing from its answer.
  const other = await fallBack(custody, request, callWith).catch(() => null);
  await inspectAfter(custody, principal.tenantId, credentialId);
  return other ?? answer;
}

/**
 * An authentication error in a live call decides nothing: the venue is asked about the key itself. That
 * inspection's own failure is no concern of the caller.
 */
async function inspectAfter(custody: Custody, tenantId: string, credentialId: string): Promise<void> {
  await validate(custody, system(tenantId, "inspection"), credentialId).catch(() => undefined);
}

/** Long enough for another machine of the venue to take the call. */
const pauseMs = 200;

/**
 * Reads once more where the connection failed or the venue answered with a 5xx. Only for calls that change
 * nothing at the venue.
 */
export async function readAgain<T extends Readonly<{ outcome: string }>>(read: () => Promise<T>): Promise<T> {
  const answer = await read();
  if (answer.outcome !== "venue_unavailable") return answer;
  await sleep(pauseMs);
  return read();
}

const broken: InvokeResult = {
  outcome: "unexpected_answer",
  message: "The call of the venue broke off.",
};

/** The way of one operation to the venue. It alone knows whether a byte of the operation may have left. */
export class Sending {
  readonly clientOrderId: string | null;
  readonly #before: number;
  #answer: InvokeResult | null = null;

  /** `before` is a time of `performance.now()`: a call that would begin later is not made. */
  constructor(clientOrderId: string | null, before: number) {
    this.clientOrderId = clientOrderId;
    this.#before = before;
  }

  /** What the venue answered, as far as it is known; `null` while nothing has left. */
  get answer(): InvokeResult | null {
    return this.#answer;
  }

  /**
   * Calls the venue. Throws `no_turn` when it is too late to begin, and the `KeyholdError` by which a venue
   * says that it was not asked; nothing else, whatever happens in the call.
   */
  async call(ask: () => Promise<InvokeResult>): Promise<InvokeResult> {
    if (performance.now() > this.#before) throw tooLate();
    const earlier = this.#answer;
    // Set before the first byte may leave. What happens from here on is known from the venue's answer alone.
    this.#answer = broken;
    const answer = await ask().catch((error: unknown) => (error instanceof KeyholdError ? error : broken));
    const isUnsent = answer instanceof KeyholdError || "unsent" in answer;
    this.#answer = isUnsent ? earlier : answer;
    if (answer instanceof KeyholdError) throw answer;
    return answer;
  }
}

function tooLate(): KeyholdError {
  return new KeyholdError(
    "no_turn",
    "Other calls with this credential took too long, so this one was not made. Send it again.",
    { facts: { retry_after_seconds: 5 } },
  );
}
