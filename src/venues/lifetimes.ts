import type { Lifetime } from "./exchanges/exchange.ts";
import { traitsOf } from "./exchanges/index.ts";
import type { Environment } from "./venue.ts";

export type { Lifetime } from "./exchanges/exchange.ts";

/** The rules of venues are about live keys; OKX says that its keys for demo trading do not end. */
export function lifetimeAt(venue: string, environment: Environment): Lifetime | undefined {
  return environment === "live" ? traitsOf(venue).lifetime : undefined;
}
