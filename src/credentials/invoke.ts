import { assertScope, type Principal, system } from "../access/principal.ts";
import type { Scope } from "../access/permissions.ts";
import { note } from "../audit/change.ts";
import { KeyholdError } from "../errors.ts";
import { findOperation, type Operation } from "../venues/operations.ts";
import type { InvokeResult, OperationClass } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { inTurn, venueOf } from "./inspect.ts";
import { type Invocation, invokeOnce } from "./invoke-once.ts";
import { openSecret } from "./open.ts";
import { readRow } from "./show.ts";
import { validate } from "./validate.ts";

export type InvokeInput = Readonly<{
  operation: string;
  params: Readonly<Record<string, unknown>>;
  /** Demanded for every operation above class read. */
  idempotencyKey: string | null;
}>;

/** What came of an invocation; `outcome_unknown` when the venue's answer was lost and cannot be looked up. */
export type Invoked = Readonly<{
  outcome: "done" | "outcome_unknown";
  operation: string;
  result: unknown;
  message: string | null;
  client_order_id: string | null;
}>;

const scopeOfClass: Readonly<Record<OperationClass, Scope>> = {
  read: "credentials:use",
  trade: "credentials:trade",
  transfer: "credentials:transfer",
  withdraw: "credentials:withdraw",
};

/**
 * Runs one operation at the venue and answers with its result alone; the key does not leave. An operation above class read is
 * written down before the venue is called and is never sent twice. Throws `unknown_operation`, `malformed`,
 * `idempotency_key_required`, `idempotency_mismatch`, `forbidden`, `policy_forbids`, what `openSecret` throws, and for reads
 * what the venue's answer means.
 */
export async function invoke(
  custody: Custody,
  principal: Principal,
  credentialId: string,
  input: InvokeInput,
): Promise<Invoked> {
  assertScope(principal, "credentials:use");
  const row = await readRow(custody, principal, credentialId, "invoke");
  const { description } = venueOf(custody, row.venue, row.environment);
  const operation = findOperation(description, input.operation);
  if (operation === undefined) {
    throw new KeyholdError("unknown_operation", `${description.name} has no operation of this name.`, {
      facts: { operations: description.operations },
    });
  }
  assertScope(principal, scopeOfClass[operation.class]);
  const invocation = { principal, credentialId, operation, params: parseParams(operation, input.params) };
  if (operation.class === "read") return read(custody, invocation);
  return invokeOnce(custody, invocation, input.idempotencyKey);
}

function parseParams(
  operation: Operation,
  params: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const parsed = operation.params.safeParse(params);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${["params", ...path].join(".")}: ${message}`,
  );
  throw new KeyholdError(
    "malformed",
    `The parameters do not fit ${operation.name}: ${problems.join("; ")}.`,
    {
      facts: { errors: problems },
    },
  );
}

async function read(custody: Custody, invocation: Invocation): Promise<Invoked> {
  const { principal, credentialId, operation } = invocation;
  const answer = await callVenue(custody, invocation, { clientOrderId: null, sendBefore: Infinity });
  const detail = {
    credential_id: credentialId,
    operation: operation.name,
    outcome: answer.outcome,
    client_order_id: null,
  };
  await note(custody.db, principal, { event: "credential.invoke_finished", detail });
  if (answer.outcome !== "done") throw failed(answer);
  return {
    outcome: "done",
    operation: operation.name,
    result: answer.result,
    message: null,
    client_order_id: null,
  };
}

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
  const answer = await openSecret(custody, request, async ({ disclosure, fields }) => {
    const { environment } = disclosure;
    const venue = venueOf(custody, disclosure.venue, environment);
    const order = clientOrderId === null ? {} : { clientOrderId };
    const call = async (): Promise<InvokeResult> => {
      if (performance.now() > sendBefore) throw tooLate();
      return venue.invoke({ environment, fields }, { operation: operation.name, params, ...order });
    };
    return inTurn(custody, venue, fields, call).catch(whatIsLost);
  });
  if (answer.outcome === "rejected") await inspectAfter(custody, principal.tenantId, credentialId);
  return answer;
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

/** The error for an answer that is not a result. */
function failed(answer: Exclude<InvokeResult, { outcome: "done" }>): KeyholdError {
  const facts = { outcome: answer.outcome };
  switch (answer.outcome) {
    case "refused":
      return new KeyholdError("venue_refused", answer.message, { facts });
    case "rejected":
      return new KeyholdError("venue_rejected", answer.message, {
        facts: { ...facts, reason: answer.reason },
      });
    case "insufficient_permission":
      return new KeyholdError("venue_permission", answer.message, { facts });
    case "ip_not_allowed":
      return new KeyholdError("venue_ip", answer.message, { facts });
    default:
      return new KeyholdError("venue_unavailable", answer.message, { facts });
  }
}
