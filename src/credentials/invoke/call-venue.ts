import { system } from "../../access/principal.ts";
import { KeyholdError } from "../../errors.ts";
import type { InvokeResult } from "../../venues/venue.ts";
import type { Custody } from "../custody.ts";
import { inTurn, venueOf } from "../inspect.ts";
import { type Opened, openSecret } from "../open.ts";
import { validate } from "../validate.ts";
import { fallBack } from "./fall-back.ts";
import type { Invocation } from "./invocation.ts";

/** `sendBefore` is a time of `performance.now()`: a call whose turn comes later is not made. */
export type Sending = Readonly<{ clientOrderId: string | null; sendBefore: number }>;

/**
 * Opens the secret for one call of the venue; an operation's class must be in the credential's policy. Whatever is thrown means
 * that the venue was not asked.
 */
export async function callVenue(
  custody: Custody,
  { principal, credentialId, operation, params }: Invocation,
  { clientOrderId, sendBefore }: Sending,
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
    const order = clientOrderId === null ? {} : { clientOrderId };
    const call = async (): Promise<InvokeResult> => {
      if (performance.now() > sendBefore) throw tooLate();
      return venue.invoke({ environment, fields }, { operation: operation.name, params, ...order });
    };
    return inTurn(custody, venue, fields, call).catch(whatIsLost);
  };
  const answer = await openSecret(custody, request, callWith);
  if (answer.outcome !== "rejected") return answer;
  const other = await fallBack(custody, request, callWith);
  await inspectAfter(custody, principal.tenantId, credentialId);
  return other ?? answer;
}

function tooLate(): KeyholdError {
  return new KeyholdError(
    "venue_unavailable",
    "Other calls with this credential took too long, so this one was not made. Send it again.",
  );
}

/** Whatever else goes wrong, the venue may have been asked: it must not look like a call that was not made. */
function whatIsLost(error: unknown): InvokeResult {
  if (error instanceof KeyholdError) throw error;
  return { outcome: "unexpected_answer", message: "The call of the venue broke off." };
}

/**
 * An authentication error in a live call decides nothing: the venue is asked about the key itself. That inspection's own failure
 * is no concern of the caller.
 */
async function inspectAfter(custody: Custody, tenantId: string, credentialId: string): Promise<void> {
  await validate(custody, system(tenantId, "inspection"), credentialId).catch(() => undefined);
}
