import type { OrderLookup } from "../../venues/venue.ts";
import type { Custody } from "../custody.ts";
import { inTurn, venueOf } from "../inspect.ts";
import { openSecret } from "../open.ts";
import type { Invocation, Invoked } from "./invocation.ts";
import { readAgain } from "./read-again.ts";
import { describe, finish, type InvocationRow } from "./rows.ts";

const unknowable =
  "The venue's answer was lost, and the venue offers no way to look it up. Check the account before you repeat this.";
const tooEarly =
  "The venue's answer was lost, and the order is not known there yet. Repeat this request in a moment.";

/** After a lost answer: asks the venue for the order by the id that it was given. Sends nothing. */
export async function lookUp(custody: Custody, invocation: Invocation, row: InvocationRow): Promise<Invoked> {
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
      return finish(custody.db, invocation, row, "done", found);
    case "absent": {
      if (!row.settled) return describe({ ...row, state: "unknown", message: tooEarly });
      const message =
        "The venue knows no such order: it was not placed. Use a new Idempotency-Key to place it.";
      return finish(custody.db, invocation, row, "refused", { outcome: "refused", message });
    }
    default:
      return describe({ ...row, state: "unknown", message: found.message });
  }
}

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
    const target = { tenantId: principal.tenantId, environment, fields };
    return inTurn(custody, venue, target, () => readAgain(() => venue.findOrder(target, order)));
  });
}
