import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { VenueCall } from "../adapter.ts";
import type { Exchange } from "./instance.ts";

/** Milliseconds, microseconds and nanoseconds since 1970: clients count nonces in one of them. */
const clocks = [() => Date.now(), () => Date.now() * 1e3, () => Date.now() * 1e6] as const;

/** The nonces of one attempt. */
export class Nonces {
  /** How many sizes above ccxt's own they are. */
  readonly above: number;
  /** Whether there are no larger ones, once they were given to an exchange. */
  areLargest = false;

  constructor(above: number) {
    this.above = above;
  }

  giveTo(exchange: Exchange): void {
    const own = exchange.nonce();
    const larger = clocks.filter((clock) => clock() > own * 10);
    this.areLargest = this.above >= larger.length;
    exchange.nonce = larger[this.above - 1] ?? exchange.nonce;
  }
}

/**
 * How many sizes above ccxt's own the nonces of each key must be. The process forgets it, and the next one
 * learns it again.
 */
const learned = new LRUCache<string, number>({ max: 10_000 });

/**
 * Makes a call at a venue whose nonces must rise. Where the venue says that a nonce is behind, the call is
 * made once more, because another program may have been in between; then with nonces of the next size,
 * because a program that used the key before may have used those. A request whose nonce is refused has
 * changed nothing. `exhausted` says what is answered when the largest nonces are behind.
 */
export async function overtaking<T extends Readonly<{ outcome: string }>>(
  venue: string,
  { fields }: Pick<VenueCall, "fields">,
  attempt: (nonces: Nonces) => Promise<T>,
  exhausted: () => T,
): Promise<T> {
  const key = createHash("sha256")
    .update(`${venue} ${fields.get("api_key") ?? ""}`)
    .digest("base64");
  const first = new Nonces(learned.get(key) ?? 0);
  let answer = await attempt(first);
  let nonces = new Nonces(first.above);
  while (answer.outcome === "nonce") {
    answer = await attempt(nonces);
    if (answer.outcome !== "nonce") learned.set(key, nonces.above);
    else if (nonces.areLargest) return exhausted();
    else nonces = new Nonces(nonces.above + 1);
  }
  return answer;
}
