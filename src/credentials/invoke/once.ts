import { timingSafeEqual } from "node:crypto";
import { principalName } from "../../access/principal.ts";
import { KeyholdError } from "../../errors.ts";
import type { InvokeResult } from "../../venues/venue.ts";
import type { Custody } from "../custody.ts";
import { callVenue } from "./call-venue.ts";
import type { Invocation, Invoked } from "./invocation.ts";
import { lookUp } from "./look-up.ts";
import { declare, describe, finish, forget, type InvocationRow } from "./rows.ts";

/** What has waited for its turn so long is not sent any more: a repeat must be able to tell that it never arrived. */
const sendWithinMs = 30_000;

/**
 * An operation that must not happen twice. The Idempotency-Key, and the client order id that follows from it, are committed
 * before the venue is called; a repeat answers with what is known, looks an order up at the venue when its answer was lost, and
 * never sends it again.
 */
export async function invokeOnce(
  custody: Custody,
  invocation: Invocation,
  key: string | null,
): Promise<Invoked> {
  if (key === null) {
    throw new KeyholdError(
      "idempotency_key_required",
      `${invocation.operation.name} can move money. Send an Idempotency-Key, so that it is never done twice.`,
    );
  }
  const mac = await macOf(custody, invocation, "invoke request", JSON.stringify(canonical(invocation)));
  const clientOrderId = invocation.operation.placesOrder
    ? await clientOrderIdOf(custody, invocation, key)
    : null;
  const { row, isNew } = await declare(custody.db, invocation, { key, requestMac: mac, clientOrderId });
  if (!timingSafeEqual(row.request_mac, mac)) {
    throw new KeyholdError(
      "idempotency_mismatch",
      "This Idempotency-Key was used for another request. Choose a new one.",
    );
  }
  if (isNew) return send(custody, invocation, row);
  if (row.state === "done" || row.state === "refused") return describe(row);
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

/** 32 hexadecimal digits that follow from tenant, credential, principal and key: a repeat finds the same order. */
async function clientOrderIdOf(custody: Custody, invocation: Invocation, key: string): Promise<string> {
  const name = JSON.stringify([invocation.credentialId, principalName(invocation.principal), key]);
  const mac = await macOf(custody, invocation, "client order id", name);
  return Buffer.from(mac).subarray(0, 16).toString("hex");
}

async function send(custody: Custody, invocation: Invocation, row: InvocationRow): Promise<Invoked> {
  const order = { clientOrderId: row.client_order_id, sendBefore: performance.now() + sendWithinMs };
  let answer: InvokeResult;
  try {
    answer = await callVenue(custody, invocation, order);
  } catch (error) {
    // The secret was not opened, or not in time: nothing was sent, and the key is free for another attempt.
    await forget(custody.db, invocation, row);
    throw error;
  }
  return finish(custody.db, invocation, row, stateOf(answer), answer);
}

/** Only an answer of the venue itself is certain: after anything else the operation may have taken place. */
function stateOf(answer: InvokeResult): "done" | "refused" | "unknown" {
  switch (answer.outcome) {
    case "done":
      return "done";
    case "refused":
    case "rejected":
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
