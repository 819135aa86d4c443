import { timingSafeEqual } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { principalName, system } from "../access/principal.ts";
import { KeyholdError } from "../errors.ts";
import type { InvokeResult, OrderLookup } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { fallBack } from "./fall-back.ts";
import { inTurn, venueOf } from "./inspect.ts";
import {
  answerOf,
  declare,
  forget,
  type Invocation,
  type InvocationRow,
  type Invoked,
  keepResult,
} from "./invocation.ts";
import { openSecret, useOf, type Opened } from "./open.ts";
import { refusesKey } from "./outcome.ts";
import { validate } from "./validate.ts";

/**
 * After this time in a queue an operation is not sent any more: a repeat must be able to see that it never
 * arrived.
 */
const sendWithinMs = 30_000;
/** An order may take this long to appear at the venue once nothing of its call is under way. */
const appearsWithinMs = 10_000;

/**
 * An operation that must not happen twice. The Idempotency-Key, and the client order id that follows from it,
 * are committed before the venue is called. A repeat returns what is known, looks an order up at the venue
 * when its answer was lost, and never sends it again. `isFound`: whether it places an order that the venue
 * finds by an id of ours.
 */
export async function invokeOnce(
  custody: Custody,
  invocation: Invocation,
  { key, isFound }: Readonly<{ key: string | null; isFound: boolean }>,
): Promise<Invoked> {
  if (key === null) {
    throw new KeyholdError(
      "idempotency_key_required",
      `${invocation.operation.name} can move money. Send an Idempotency-Key, so that it is never done twice.`,
    );
  }
  const mac = await macOf(custody, invocation, "invoke request", JSON.stringify(canonical(invocation)));
  const clientOrderId = isFound ? await clientOrderIdOf(custody, invocation, key) : null;
  const settledAfterMs = sendWithinMs + custody.venues.endsWithinMs + appearsWithinMs;
  const mark = { key, requestMac: mac, clientOrderId, settledAfterMs };
  const { row, isNew } = await declare(custody.db, invocation, mark);
  if (!timingSafeEqual(row.request_mac, mac)) {
    throw new KeyholdError(
      "idempotency_mismatch",
      "This Idempotency-Key was used for another request. Choose a new one.",
    );
  }
  if (isNew) return send(custody, invocation, row);
  if (row.state === "done" || row.state === "refused") return answerOf(row);
  return lookUp(custody, invocation, row);
}

function canonical({ credentialId, operation, params }: Invocation): unknown {
  return [credentialId, operation.name, Object.entries(params).toSorted(([a], [b]) => (a < b ? -1 : 1))];
}

async function macOf(
  custody: Custody,
  { principal }: Invocation,
  purpose: string,
  text: string,
): Promise<Uint8Array> {
  return custody.dataKeys.mac(principal.tenantId, purpose, new TextEncoder().encode(text));
}

/**
 * 32 lower-case hexadecimal digits that follow from tenant, credential, principal and key: a repeat finds the
 * same order. Every venue takes this form: OKX takes letters and digits alone, Kraken exactly a short UUID,
 * and Gate is given the first 28.
 */
async function clientOrderIdOf(custody: Custody, invocation: Invocation, key: string): Promise<string> {
  const name = JSON.stringify([invocation.credentialId, principalName(invocation.principal), key]);
  const mac = await macOf(custody, invocation, "client order id", name);
  return Buffer.from(mac).subarray(0, 16).toString("hex");
}

/** Once a byte may have left, only an answer of the venue ends the row. */
async function send(custody: Custody, invocation: Invocation, row: InvocationRow): Promise<Invoked> {
  const sending = new Sending(row.client_order_id, performance.now() + sendWithinMs);
  const unsent = await callVenue(custody, invocation, sending).catch(asError);
  const { answer } = sending;
  if (answer !== null) return keepResult(custody.db, invocation, row, stateOf(answer), answer);
  throw await free(custody, invocation, row, unsent);
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error("a call broke off", { cause: thrown });
}

/** Nothing has left: the key is free for another attempt. Returns the error for the caller. */
async function free(
  custody: Custody,
  invocation: Invocation,
  row: InvocationRow,
  why: Error | InvokeResult,
): Promise<KeyholdError> {
  const error = whyUnsent(why);
  const isFree = await forget(custody.db, invocation, row.id).then(
    () => true,
    () => false,
  );
  const advice = isFree
    ? "The Idempotency-Key may be used again."
    : "Use a new Idempotency-Key to send it again.";
  return new KeyholdError(error.code, `${error.detail} Nothing was sent to the venue. ${advice}`, {
    facts: { ...error.facts, sent: false },
    cause: error.cause ?? error,
  });
}

function whyUnsent(why: Error | InvokeResult): KeyholdError {
  if (why instanceof KeyholdError) return why;
  if (why instanceof Error) {
    return new KeyholdError("not_sent", "The database cannot be reached now.", {
      facts: { retry_after_seconds: 1 },
      cause: why,
    });
  }
  const facts = { outcome: why.outcome };
  switch (why.outcome) {
    case "done":
      throw new TypeError("what was done was sent");
    case "withheld":
      return new KeyholdError("request_withheld", why.message, { facts });
    case "refused":
    case "rejected":
    case "ambiguous":
    case "insufficient_permission":
    case "ip_not_allowed":
      return new KeyholdError("unsendable", why.message, { facts });
    default:
      return new KeyholdError("not_sent", why.message, { facts: { ...facts, retry_after_seconds: 1 } });
  }
}

/** Only an answer of the venue itself is certain: after anything else the operation may have taken place. */
function stateOf(answer: InvokeResult): "done" | "refused" | "unknown" {
  switch (answer.outcome) {
    case "done":
      return "done";
    case "refused":
    case "withheld":
    case "rejected":
    case "ambiguous":
    case "insufficient_permission":
    case "ip_not_allowed":
    case "clock_skew":
    case "nonce":
    case "rate_limited":
      return "refused";
    case "venue_unavailable":
    case "timeout":
    case "blocked":
    case "unexpected_answer":
      return "unknown";
  }
}

const unknowable =
  "The venue's answer was lost, and the venue offers no way to look it up. Check the account before you repeat this.";
const tooEarly =
  "The venue's answer was lost, and the order is not known there yet. Repeat this request in a moment.";

/** Asks the venue, after a lost answer, for the order by the id that it was given. Sends nothing. */
async function lookUp(custody: Custody, invocation: Invocation, row: InvocationRow): Promise<Invoked> {
  if (row.client_order_id === null || row.symbol === null) {
    return answerOf({ ...row, state: "unknown", message: unknowable });
  }
  const found = await findOrder(custody, invocation, {
    clientOrderId: row.client_order_id,
    symbol: row.symbol,
  });
  if (found === null) return answerOf({ ...row, state: "unknown", message: unknowable });
  switch (found.outcome) {
    case "done":
      return keepResult(custody.db, invocation, row, "done", found);
    case "absent": {
      if (!row.settled) return answerOf({ ...row, state: "unknown", message: tooEarly });
      const message =
        "The venue knows no such order: it was not placed. Use a new Idempotency-Key to place it.";
      return keepResult(custody.db, invocation, row, "refused", { outcome: "refused", message });
    }
    default:
      return answerOf({ ...row, state: "unknown", message: found.message });
  }
}

async function findOrder(
  custody: Custody,
  { principal, credentialId }: Invocation,
  order: Readonly<{ clientOrderId: string; symbol: string }>,
): Promise<OrderLookup | null> {
  const detail = { purpose: "invoke", operation: "findOrder" };
  const request = useOf(principal, credentialId, "trade", detail);
  return openSecret(custody, request, async ({ disclosure, fields }) => {
    const { environment } = disclosure;
    const venue = venueOf(custody, disclosure.venue, environment);
    if (!venue.description.clientOrderIds) return null;
    const target = { tenantId: principal.tenantId, environment, fields };
    return inTurn(custody, venue, target, () => readAgain(() => venue.findOrder(target, order)));
  });
}

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
async function readAgain<T extends Readonly<{ outcome: string }>>(read: () => Promise<T>): Promise<T> {
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
