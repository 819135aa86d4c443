import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import { type Principal, principalName } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import type { Database } from "../db/schema.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { Operation } from "../venues/operations.ts";
import type { InvokeResult } from "../venues/venue.ts";

/** One operation whose parameters were checked: all that is sent to the venue but the secret. */
export type Invocation = Readonly<{
  principal: Principal;
  credentialId: string;
  operation: Operation;
  params: Readonly<Record<string, unknown>>;
}>;

/** The result of an invocation; `outcome_unknown` when the venue's answer was lost and cannot be looked up. */
export type Invoked = Readonly<{
  outcome: "done" | "outcome_unknown";
  operation: string;
  result: unknown;
  message: string | null;
  client_order_id: string | null;
}>;

/** `settled` by the database's clock: a request that was sent has arrived at the venue or never will. */
export type InvocationRow = Selectable<Database["invocations"]> & Readonly<{ settled: boolean }>;

/** By this a repeat is recognised, and its order found at the venue. */
type Mark = Readonly<{
  key: string;
  requestMac: Uint8Array;
  clientOrderId: string | null;
  /** Milliseconds until the order is at the venue or never will be; before, its absence there proves nothing. */
  settledAfterMs: number;
}>;

/** Writes down what is about to be asked of a venue, or finds the row under the same key. */
export async function declare(
  db: Db,
  invocation: Invocation,
  mark: Mark,
): Promise<{ row: InvocationRow; isNew: boolean }> {
  const id = randomUUID();
  return insertOrFind(db, invocation, mark, id).catch(async (error: unknown) => {
    // The connection may have broken after the commit. Nothing was sent, so the key must not look used.
    await forget(db, invocation, id).catch(() => undefined);
    throw error;
  });
}

async function insertOrFind(
  db: Db,
  { principal, credentialId, operation, params }: Invocation,
  mark: Mark,
  id: string,
): Promise<{ row: InvocationRow; isNew: boolean }> {
  const symbol = typeof params["symbol"] === "string" ? params["symbol"] : null;
  const settled = sql<boolean>`created_at < clock_timestamp() - ${mark.settledAfterMs}::float8 * interval '1 millisecond'`;
  return withTenant(db, serviceScope(principal.tenantId), async (tx) => {
    const inserted = await tx
      .insertInto("invocations")
      .values({
        tenant_id: principal.tenantId,
        id,
        credential_id: credentialId,
        principal: principalName(principal),
        key: mark.key,
        operation: operation.name,
        request_mac: mark.requestMac,
        client_order_id: mark.clientOrderId,
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
      .where("key", "=", mark.key)
      .executeTakeFirstOrThrow();
    return { row, isNew: false };
  });
}

/**
 * Keeps the result with its event, and returns the answer to the caller. If several learn the same of one
 * operation, one of them records it. Throws `record_unavailable` when it cannot be kept.
 */
export async function keepResult(
  db: Db,
  { principal, credentialId, operation }: Invocation,
  row: InvocationRow,
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
  const known: Described[] = [];
  await changeUnlessDone(db, principal, async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable("invocations")
      .set({ state, message, result: JSON.stringify(result), updated_at: sql`now()` })
      .where("id", "=", row.id)
      // A repeat may have learned more meanwhile: only the proof that it was done overrules an answer.
      .where("state", "in", state === "done" ? ["sending", "unknown", "refused"] : ["sending", "unknown"])
      .executeTakeFirst();
    if (numUpdatedRows > 0n)
      return { value: undefined, events: [{ event: "credential.invoke_finished", detail }] };
    known.push(...(await findInvocation(tx, row.id)));
    return null;
  }).catch((cause: unknown) => {
    throw unwritten(row, cause);
  });
  return answerOf(known[0] ?? { ...row, state, message, result });
}

function unwritten({ client_order_id }: InvocationRow, cause: unknown): KeyholdError {
  return new KeyholdError(
    "record_unavailable",
    "The venue was asked, and what came of it could not be written down. Send this again with the same Idempotency-Key: that sends nothing twice.",
    { facts: { sent: true, client_order_id }, cause },
  );
}

async function findInvocation(tx: TenantTx, id: string): Promise<readonly Described[]> {
  return tx.selectFrom("invocations").selectAll().where("id", "=", id).execute();
}

/** Frees the key of an operation that was never sent. */
export async function forget(db: Db, { principal }: Invocation, id: string): Promise<void> {
  await withTenant(db, serviceScope(principal.tenantId), (tx) =>
    tx.deleteFrom("invocations").where("id", "=", id).execute(),
  );
}

type Described = Pick<InvocationRow, "state" | "operation" | "message" | "client_order_id"> &
  Readonly<{ result: unknown }>;

/** The answer that a row gives. Throws `venue_refused` for an operation that the venue refused. */
export function answerOf({ state, operation, result, message, client_order_id }: Described): Invoked {
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
