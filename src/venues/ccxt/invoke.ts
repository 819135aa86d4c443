import type { VenueCall } from "../adapter.ts";
import type { Ask, ClientOrderIds, Mode } from "../exchanges/exchange.ts";
import { type Dialect, interpret } from "../interpret.ts";
import { type Operation, operations } from "../operations.ts";
import { nonceSpent, refusal } from "../outcomes.ts";
import { FetchFailure, type HttpAnswer, type HttpRequest, Withheld } from "../process/bounded-fetch.ts";
import type { Invocation, InvokeResult, OrderLookup } from "../venue.ts";
import type { Indefinite } from "../verdict.ts";
import { classMeaning, explainByClass, httpDialect, plainMessage } from "./errors.ts";
import { openExchange } from "./exchange.ts";
import { namedPermit, operationPermit, type Permit } from "./gate.ts";
import type { Markets } from "./markets.ts";
import { type Nonces, overtaking } from "./nonces.ts";

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

/** What is needed to run unified methods of one exchange; without a dialect ccxt's error classes decide. */
type Caller = Readonly<{
  id: string;
  dialect: Dialect | null;
  clientOrderIds: ClientOrderIds | null;
  options?: object;
  markets: Markets;
}>;

/** One call through ccxt: a fresh instance, and the last answer that it got. */
export class Session {
  readonly #caller: Caller;
  readonly #mode: Mode;
  readonly #call: VenueCall;
  readonly #means: Readonly<{ permit: Permit; nonces?: Nonces }>;
  #last: HttpAnswer | undefined;
  /** Requests that may have changed something. */
  #writes = 0;

  constructor(
    caller: Caller,
    mode: Mode,
    call: VenueCall,
    means: Readonly<{ permit: Permit; nonces?: Nonces }>,
  ) {
    this.#caller = caller;
    this.#mode = mode;
    this.#call = call;
    this.#means = means;
  }

  readonly ask: Ask = async (method, ...parameters) => {
    const { id, markets, options = {} } = this.#caller;
    const source = await markets.of(id, this.#mode, this.#call.sendShared);
    const exchange = await openExchange(id, this.#mode, {
      fields: this.#call.fields,
      ...this.#means,
      options,
      send: (request) => this.#send(request),
    });
    exchange.setMarketsFromExchange(source);
    const unified: unknown = Reflect.get(exchange, method);
    if (typeof unified !== "function") throw new RangeError(`${id} has no ${method}`);
    return Reflect.apply(unified, exchange, parameters);
  };

  async #send(request: HttpRequest): Promise<HttpAnswer> {
    const before = this.#writes;
    if (request.method !== "GET") this.#writes += 1;
    try {
      return (this.#last = await this.#call.send(request));
    } catch (error) {
      if (error instanceof Withheld) this.#writes = before;
      throw error;
    }
  }

  /** The venue's own code in the last answer. */
  get lastCode(): string | undefined {
    const { dialect } = this.#caller;
    if (this.#last === undefined || dialect === null) return undefined;
    const reading = interpret(dialect, this.#last);
    return reading.kind === "success" ? undefined : reading.said.code;
  }

  /**
   * ccxt returns whatever came with a status of 200, so an answer is looked at again before it is believed.
   */
  accept(operation: Pick<Operation, "placesOrder">, result: unknown): InvokeResult {
    const { speaker } = this.#call;
    if (this.#last !== undefined && this.#last.status !== 204) {
      const reading = interpret(this.#caller.dialect ?? httpDialect, this.#last);
      if (reading.kind === "known") return refusal(speaker, reading.meaning, reading.said);
      if (reading.kind === "refused") return refusal(speaker, "unexpected_answer", reading.said);
    }
    const named = textAt(result, "id") !== undefined;
    if (operation.placesOrder && !named) return refusal(speaker, "unexpected_answer");
    return { outcome: "done", result };
  }

  /** What it means that ccxt threw. */
  explain(operation: Pick<Operation, "class">, error: unknown): InvokeResult {
    if (error instanceof FetchFailure) throw error;
    if (error instanceof Withheld && (operation.class === "read" || this.#writes === 0)) throw error;
    // The last answer is about the last request. An earlier one may have done what was asked.
    const isPartial = operation.class !== "read" && (this.#writes > 1 || error instanceof Withheld);
    if (isPartial) return refusal(this.#call.speaker, "unexpected_answer");
    const { id, dialect } = this.#caller;
    if (dialect !== null && this.#last !== undefined) {
      return this.#explainByCode(operation, error, dialect, this.#last);
    }
    return explainByClass(id, this.#call, error, this.#last) ?? this.#refused(plainMessage(id, error));
  }

  #explainByCode(
    operation: Pick<Operation, "class">,
    error: unknown,
    dialect: Dialect,
    last: HttpAnswer,
  ): InvokeResult {
    const reading = interpret(dialect, last);
    if (reading.kind === "known") return refusal(this.#call.speaker, reading.meaning, reading.said);
    const words = plainMessage(this.#caller.id, error);
    if (reading.kind === "refused") return this.#refused(reading.said.text ?? words);
    // ccxt threw on a success. Of a read its complaint is all there is to say; anything else may have taken
    // place.
    if (operation.class === "read" && classMeaning(error) === undefined) return this.#refused(words);
    return refusal(this.#call.speaker, "unexpected_answer");
  }

  #refused(words: string): InvokeResult {
    return { outcome: "refused", message: `${this.#call.speaker.name}: ${words}` };
  }
}

function textAt(value: unknown, name: string): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const found: unknown = Reflect.get(value, name);
  return typeof found === "string" && found !== "" ? found : undefined;
}
