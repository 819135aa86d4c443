import { system } from "../../access/principal.ts";
import type { InvokeResult } from "../../venues/venue.ts";
import { refusesKey } from "../consequences.ts";
import type { Custody } from "../custody.ts";
import { inTurn, venueOf } from "../inspect.ts";
import { type Opened, openSecret } from "../open.ts";
import { validate } from "../validate.ts";
import { fallBack } from "./fall-back.ts";
import type { Invocation } from "./invocation.ts";
import { readAgain } from "./read-again.ts";
import type { Sending } from "./sending.ts";

/**
 * Opens the secret for one call of the venue; an operation's class must be in the credential's policy. Throws what `openSecret`
 * throws, and `no_turn`; whether the venue was asked is known from `sending`.
 */
export async function callVenue(
  custody: Custody,
  { principal, credentialId, operation, params }: Invocation,
  sending: Sending,
): Promise<InvokeResult> {
  const request = {
    principal,
    credentialId,
    need: operation.class,
    revision: null,
    event: "credential.used",
    detail: { purpose: "invoke", operation: operation.name },
  } as const;
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
 * An authentication error in a live call decides nothing: the venue is asked about the key itself. That inspection's own failure
 * is no concern of the caller.
 */
async function inspectAfter(custody: Custody, tenantId: string, credentialId: string): Promise<void> {
  await validate(custody, system(tenantId, "inspection"), credentialId).catch(() => undefined);
}
