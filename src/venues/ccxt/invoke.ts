import type { VenueCall } from "../adapter.ts";
import { type Operation, operations } from "../operations.ts";
import { nonceSpent, refusal } from "../outcomes.ts";
import type { Invocation, InvokeResult, OrderLookup } from "../venue.ts";
import type { Indefinite } from "../verdict.ts";
import { type Nonces, overtaking } from "./nonces.ts";
import { namedPermit, operationPermit, type Permit } from "./permits.ts";
import { type Caller, Session, textAt } from "./session.ts";
import type { ClientOrderIds, Mode } from "../exchanges/exchange.ts";

/** Runs one operation through ccxt's unified method of that name. */
export async function invokeOperation(
  caller: Caller,
  mode: Mode,
  call: VenueCall,
  invocation: Invocation,
): Promise<InvokeResult> {
  const operation = operations.find(({ name }) => name === invocation.operation);
  if (operation === undefined) throw new RangeError(`unknown operation ${invocation.operation}`);
  const permit = await operationPermit(caller.id, operation);
  return inSession<InvokeResult>(caller, mode, call, permit, async (session) => {
    try {
      const result = await session.ask(operation.name, ...unifiedArguments(operation, invocation, caller));
      return session.accept(operation, result);
    } catch (error) {
      return session.explain(operation, error);
    }
  });
}

/** Each attempt has a session of its own, so that what is known of one request is not taken for another. */
async function inSession<T extends OrderLookup>(
  caller: Caller,
  mode: Mode,
  call: VenueCall,
  permit: Permit,
  work: (session: Session) => Promise<T>,
): Promise<T | Indefinite> {
  const attempt = (nonces: Nonces) => work(new Session(caller, mode, call, { permit, nonces }));
  return overtaking<T | Indefinite>(caller.id, call, attempt, () => nonceSpent(call.speaker));
}

/** Looks an order up by the client order id that was sent with it. */
export async function findOrder(
  caller: Caller,
  mode: Mode,
  call: VenueCall,
  order: Readonly<{ clientOrderId: string; symbol: string }>,
): Promise<OrderLookup> {
  const ids = caller.clientOrderIds;
  if (ids === null) {
    return refusal(call.speaker, "unexpected_answer", { hint: "It has no client order ids." });
  }
  const permit = await namedPermit(caller.id, "read");
  return inSession<OrderLookup>(caller, mode, call, permit, (session) => lookUp(session, ids, call, order));
}

async function lookUp(
  session: Session,
  ids: ClientOrderIds,
  call: VenueCall,
  order: Readonly<{ clientOrderId: string; symbol: string }>,
): Promise<OrderLookup> {
  const isAbsent = () => session.lastCode !== undefined && ids.absentCodes.includes(session.lastCode);
  const clientOrderId = ids.format(order.clientOrderId);
  try {
    const found = await ids.find(session.ask, { clientOrderId, symbol: order.symbol });
    if (isAbsent()) return { outcome: "absent" };
    const settled = session.accept({ placesOrder: false }, found);
    if (settled.outcome !== "done") return settled;
    if (found === null) return { outcome: "absent" };
    // Gate shows its ids with a prefix.
    const isIt = textAt(found, "clientOrderId")?.endsWith(clientOrderId) === true;
    return isIt ? settled : refusal(call.speaker, "unexpected_answer");
  } catch (error) {
    return isAbsent() ? { outcome: "absent" } : session.explain({ class: "read" }, error);
  }
}

/** Parameters by position, then the rest by name, with the client order id in the venue's form. */
function unifiedArguments(operation: Operation, invocation: Invocation, caller: Caller): unknown[] {
  const { params, clientOrderId } = invocation;
  const named = Object.entries(params).filter(([name]) => !operation.positional.includes(name));
  const id =
    operation.placesOrder && clientOrderId !== undefined && caller.clientOrderIds !== null
      ? { [caller.clientOrderIds.option]: caller.clientOrderIds.format(clientOrderId) }
      : {};
  return [...operation.positional.map((name) => params[name]), { ...Object.fromEntries(named), ...id }];
}
