import type { VenueCall } from "../adapter.ts";
import { type Operation, operations } from "../operations.ts";
import { refusal } from "../outcomes.ts";
import type { Invocation, InvokeResult, OrderLookup } from "../venue.ts";
import type { Mode } from "./exchange.ts";
import { namedPermit, operationPermit } from "./permits.ts";
import { type Caller, Session, textAt } from "./session.ts";

/** Runs one operation through ccxt's unified method of that name. */
export async function invokeOperation(
  caller: Caller,
  mode: Mode,
  call: VenueCall,
  invocation: Invocation,
): Promise<InvokeResult> {
  const operation = operations.find(({ name }) => name === invocation.operation);
  if (operation === undefined) throw new RangeError(`unknown operation ${invocation.operation}`);
  const session = new Session(caller, mode, call, await operationPermit(caller.id, operation));
  try {
    const result = await session.ask(operation.name, ...unifiedArguments(operation, invocation, caller));
    return session.accept(operation, result);
  } catch (error) {
    return session.explain(operation, error);
  }
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
  const session = new Session(caller, mode, call, await namedPermit(caller.id, "read"));
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
