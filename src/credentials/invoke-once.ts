import { randomUUID, timingSafeEqual } from "node:crypto";
import { type Selectable, sql } from "kysely";
import { type Principal, principalName } from "../access/principal.ts";
import { change } from "../audit/change.ts";
import type { Database } from "../db/schema.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { Operation } from "../venues/operations.ts";
import type { InvokeResult, OrderLookup } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { inTurn, venueOf } from "./inspect.ts";
import { callVenue, type Invoked } from "./invoke.ts";
import { openSecret } from "./open.ts";

export type Invocation = Readonly<{
  principal: Principal;
  credentialId: string;
  operation: Operation;
  params: Readonly<Record<string, unknown>>;
}>;

/** `settled` by the database's clock: whatever was sent has arrived at the venue or never will. */
type Row = Selectable<Database["invocations"]> & Readonly<{ settled: boolean }>;

/** An order may take this long to appear at the venue; before, its absence there proves nothing. */
const settledAfterMs = 60_000;
/** What has waited for its turn so long is not sent any more, so that the time above holds. */
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
  const { row, isNew } = await declare(custody, invocation, key, mac);
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

async function declare(
  custody: Custody,
  invocation: Invocation,
  key: string,
  request_mac: Uint8Array,
): Promise<{ row: Row; isNew: boolean }> {
  const { principal, credentialId, operation, params } = invocation;
  const symbol = typeof params["symbol"] === "string" ? params["symbol"] : null;
  const clientOrderId = operation.placesOrder ? await clientOrderIdOf(custody, invocation, key) : null;
  const settled = sql<boolean>`created_at < clock_timestamp() - ${settledAfterMs} * interval '1 millisecond'`;
  return withTenant(custody.db, serviceScope(principal.tenantId), async (tx) => {
    const inserted = await tx
      .insertInto("invocations")
      .values({
        tenant_id: principal.tenantId,
        id: randomUUID(),
        credential_id: credentialId,
        principal: principalName(principal),
        key,
        operation: operation.name,
        request_mac,
        client_order_id: clientOrderId,
        symbol,
      })
      .onConflict((conflict) =>
        conflict.columns(["tenant_id", "credential_id", "principal", "key"]).doNothing(),
      )
      .returningAll()
      .returning(settled.as("settled"))
      .executeTakeFirst();
    if (inserted !== undefined) return { row: inserted, isNew: true };
    const row = await tx
      .selectFrom("invocations")
      .selectAll()
      .select(settled.as("settled"))
      .where("credential_id", "=", credentialId)
      .where("principal", "=", principalName(principal))
      .where("key", "=", key)
      .executeTakeFirstOrThrow();
    return { row, isNew: false };
  });
}

async function send(custody: Custody, invocation: Invocation, row: Row): Promise<Invoked> {
  const order = { clientOrderId: row.client_order_id, sendBefore: performance.now() + sendWithinMs };
  let answer: InvokeResult;
  try {
    answer = await callVenue(custody, invocation, order);
  } catch (error) {
    // The secret was not opened, or not in time: nothing was sent, and the key is free for another attempt.
    await forget(custody, invocation, row);
    throw error;
  }
  return finish(custody, invocation, row, stateOf(answer), answer);
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

/** After a lost answer: asks the venue for the order by the id that it was given. Sends nothing. */
async function lookUp(custody: Custody, invocation: Invocation, row: Row): Promise<Invoked> {
  if (row.client_order_id === null || row.symbol === null) {
    return describe({ ...row, state: "unknown", message: unknowable });
  }
  const found = await findOrder(custody, invocation, {
    clientOrderId: row.client_order_id,
    symbol: row.symbol,
  });
  if (found === null) return describe({ ...row, state: "unknown", message: unknowable });
  switch (found.outcome) {
    case "done":
      return finish(custody, invocation, row, "done", found);
    case "absent": {
      if (!row.settled) return describe({ ...row, state: "unknown", message: tooEarly });
      const message =
        "The venue knows no such order: it was not placed. Use a new Idempotency-Key to place it.";
      return finish(custody, invocation, row, "refused", { outcome: "refused", message });
    }
    default:
      return describe({ ...row, state: "unknown", message: found.message });
  }
}

const unknowable =
  "The venue's answer was lost, and the venue offers no way to look it up. Check the account before you repeat this.";
const tooEarly =
  "The venue's answer was lost, and the order is not known there yet. Repeat this request in a moment.";

async function findOrder(
  custody: Custody,
  { principal, credentialId }: Invocation,
  order: Readonly<{ clientOrderId: string; symbol: string }>,
): Promise<OrderLookup | null> {
  const request = {
    principal,
    credentialId,
    need: "trade",
    revision: null,
    event: "credential.used",
    detail: { purpose: "invoke", operation: "findOrder" },
  } as const;
  return openSecret(custody, request, async ({ disclosure, fields }) => {
    const { environment } = disclosure;
    const venue = venueOf(custody, disclosure.venue, environment);
    if (!venue.description.clientOrderIds) return null;
    return inTurn(custody, venue, fields, () => venue.findOrder({ environment, fields }, order));
  });
}

async function finish(
  custody: Custody,
  { principal, credentialId, operation }: Invocation,
  row: Row,
  state: "done" | "refused" | "unknown",
  answer: InvokeResult,
): Promise<Invoked> {
  const result = answer.outcome === "done" ? answer.result : null;
  const message = answer.outcome === "done" ? null : answer.message;
  const detail = {
    credential_id: credentialId,
    operation: operation.name,
    outcome: state === "unknown" ? "outcome_unknown" : answer.outcome,
    client_order_id: row.client_order_id,
  };
  const kept = await change(custody.db, principal, async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable("invocations")
      .set({ state, message, result: JSON.stringify(result), updated_at: sql`now()` })
      .where("id", "=", row.id)
      // A repeat may have learned more meanwhile: only the proof that it was done overrules an answer.
      .$if(state !== "done", (query) => query.where("state", "in", ["sending", "unknown"]))
      .executeTakeFirst();
    const earlier = numUpdatedRows === 0n ? await findInvocation(tx, row.id) : undefined;
    return { value: earlier, events: [{ event: "credential.invoke_finished", detail }] };
  });
  return describe(kept ?? { ...row, state, message, result });
}

async function findInvocation(tx: TenantTx, id: string): Promise<Told | undefined> {
  return tx.selectFrom("invocations").selectAll().where("id", "=", id).executeTakeFirst();
}

async function forget(custody: Custody, { principal }: Invocation, row: Row): Promise<void> {
  await withTenant(custody.db, serviceScope(principal.tenantId), (tx) =>
    tx.deleteFrom("invocations").where("id", "=", row.id).execute(),
  );
}

type Told = Pick<Row, "state" | "operation" | "message" | "client_order_id"> & Readonly<{ result: unknown }>;

/** Throws `venue_refused` for what the venue refused. */
function describe({ state, operation, result, message, client_order_id }: Told): Invoked {
  if (state === "refused") {
    throw new KeyholdError("venue_refused", message ?? "The venue refused the operation.", {
      facts: { client_order_id },
    });
  }
  return {
    outcome: state === "done" ? "done" : "outcome_unknown",
    operation,
    result,
    message,
    client_order_id,
  };
}
