import type { Scope } from "../access/permissions.ts";
import { assertScope, type Principal } from "../access/principal.ts";
import { note } from "../audit/change.ts";
import { KeyholdError } from "../errors.ts";
import { findOperation, type Operation } from "../venues/operations.ts";
import type { InvokeResult, OperationClass } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { venueOf } from "./inspect.ts";
import type { Invocation, Invoked } from "./invocation.ts";
import { callVenue, Sending, invokeOnce } from "./invoke-once.ts";
import { codeOf, factsOf } from "./outcome.ts";
import { readRow } from "./rows.ts";

const scopeOfClass: Readonly<Record<OperationClass, Scope>> = {
  read: "credentials:use",
  trade: "credentials:trade",
  transfer: "credentials:transfer",
  withdraw: "credentials:withdraw",
};

/**
 * Runs one operation at the venue and returns its result alone; the key does not leave. An operation above
 * class read needs an Idempotency-Key; it is written down before the venue is called, and is never sent
 * twice. Throws `unknown_operation`, `malformed`, `idempotency_key_required`, `idempotency_mismatch`,
 * `forbidden`, `policy_forbids`, what `openSecret` throws, `no_turn`, for reads what the venue's answer
 * means, and for all else `not_sent` and `unsendable`.
 */
export async function invoke(
  custody: Custody,
  principal: Principal,
  credentialId: string,
  input: Readonly<{
    operation: string;
    params: Readonly<Record<string, unknown>>;
    idempotencyKey: string | null;
  }>,
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
  const isFound = operation.placesOrder && description.clientOrderIds;
  return invokeOnce(custody, invocation, { key: input.idempotencyKey, isFound });
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
  const answer = await callVenue(custody, invocation, new Sending(null, Infinity));
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

/** The error for an answer that is not a result. */
function failed(answer: Exclude<InvokeResult, { outcome: "done" }>): KeyholdError {
  switch (answer.outcome) {
    case "withheld":
      return new KeyholdError("request_withheld", answer.message, { facts: { outcome: answer.outcome } });
    case "refused":
      return new KeyholdError("venue_refused", answer.message, { facts: { outcome: answer.outcome } });
    default:
      return new KeyholdError(codeOf(answer.outcome), answer.message, { facts: factsOf(answer) });
  }
}
