import type { Environment } from "./accounts.ts";
import type { Fault } from "./faults.ts";
import type { Refused } from "./refusal.ts";
import type { WireRequest } from "./request.ts";
import type { VenueId } from "./venue.ts";

/** One request that reached a venue. Never its query, headers or body: they carry keys and signatures. */
export type LoggedRequest = {
  readonly venue: VenueId;
  readonly environment: Environment;
  readonly method: string;
  readonly path: string;
  readonly atMs: number;
  /** `null` until there is an answer, and for ever when none was sent. */
  status: number | null;
  /** Which key signed it, by the simulator's own id; `null` when none was accepted. */
  keyId: string | null;
  /** Why it was refused; `null` when it was not. */
  refusal: Refused["reason"] | null;
  /** The failure it met; `null` when none. */
  fault: Fault["kind"] | null;
};

/** All given parts must fit; `path` fits paths that begin so. */
export type RequestFilter = Readonly<{
  venue?: VenueId;
  environment?: Environment;
  method?: string;
  path?: string;
  keyId?: string;
}>;

const capacity = 100_000;

/** What reached the venues, in order of arrival; the newest hundred thousand. */
export class RequestLog {
  #entries: LoggedRequest[] = [];

  /** Written on arrival, so that a request that never gets an answer is counted too. */
  open(venue: VenueId, request: WireRequest): LoggedRequest {
    const { environment, method, path } = request;
    const entry = {
      venue,
      environment,
      method,
      path,
      atMs: Date.now(),
      status: null,
      keyId: null,
      refusal: null,
      fault: null,
    };
    this.#entries.push(entry);
    if (this.#entries.length > 2 * capacity) this.#entries = this.#entries.slice(-capacity);
    return entry;
  }

  find(filter: RequestFilter = {}): readonly LoggedRequest[] {
    return this.#entries.filter(
      (entry) =>
        (filter.venue ?? entry.venue) === entry.venue &&
        (filter.environment ?? entry.environment) === entry.environment &&
        (filter.method ?? entry.method) === entry.method &&
        (filter.keyId ?? entry.keyId) === entry.keyId &&
        entry.path.startsWith(filter.path ?? ""),
    );
  }

  clear(): void {
    this.#entries = [];
  }
}
