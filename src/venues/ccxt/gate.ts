import type { HttpAnswer, HttpRequest } from "../process/bounded-fetch.ts";
import { Withheld } from "../process/withheld.ts";
import type { Exchange } from "./instance.ts";
import type { Permit } from "./permits.ts";
import { requestKey } from "../exchanges/request-table.ts";

type Send = (request: HttpRequest) => Promise<HttpAnswer>;

/**
 * Lets only permitted requests leave an exchange of ccxt. A request is judged where it still has its name, right before it is signed;
 * what is sent must be what was signed, and once. Whatever would go another way is not sent.
 */
export class Gate {
  readonly #permit: Permit;
  readonly #signed = new Map<string, number>();

  constructor(permit: Permit) {
    this.#permit = permit;
  }

  /** From now on, `exchange` signs nothing else. */
  watch(exchange: Exchange): void {
    const sign = exchange.sign.bind(exchange);
    exchange.sign = (path, api, method, ...rest) => {
      if (!this.#permit.has(requestKey(api, method, path))) {
        throw new Withheld("The request is none that this operation may send.");
      }
      const signed = sign(path, api, method, ...rest);
      this.#note(signed, 1);
      return signed;
    };
  }

  /** Throws `Withheld` for what was not signed. */
  guard(send: Send): Send {
    return async (request) => {
      if ((this.#signed.get(nameOf(request)) ?? 0) < 1) {
        throw new Withheld("The request was not signed as it would have been sent.");
      }
      this.#note(request, -1);
      return send(request);
    };
  }

  #note(request: Addressed, change: number): void {
    const name = nameOf(request);
    this.#signed.set(name, (this.#signed.get(name) ?? 0) + change);
  }
}

type Addressed = Readonly<{ method: string; url: string }>;

function nameOf({ method, url }: Addressed): string {
  return `${method} ${url}`;
}
