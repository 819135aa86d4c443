import type { Speaker } from "./outcomes.ts";
import type { HttpAnswer, HttpRequest } from "./process/bounded-fetch.ts";
import type {
  Environment,
  FieldName,
  Invocation,
  InvokeResult,
  OrderLookup,
  VenueDescription,
} from "./venue.ts";
import type { Verdict } from "./verdict.ts";

/** One call on behalf of one credential, inside a venue process. */
export type VenueCall = Readonly<{
  environment: Environment;
  /** Plaintext, trimmed. Lives as long as the call. */
  fields: ReadonlyMap<FieldName, string>;
  speaker: Speaker;
  /** Sends within the deadline of this call. Throws `FetchFailure`. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** Sends within a deadline of its own, for what other calls profit from too and no credential is in. */
  sendShared(request: HttpRequest): Promise<HttpAnswer>;
}>;

/** Stands for a form: the venue answers a key that it cannot know as it answers any other. */
export const takesAnyKey = "any key";

/** How to talk to one venue. Runs in venue processes; the serving process reads `description` only. */
export type Adapter = Readonly<{
  description: VenueDescription;
  inspect(call: VenueCall): Promise<Verdict>;
  /**
   * The form in which the venue refuses the key of this call, which was made up; only where `inspect` may ask
   * for it.
   */
  learnRefusal?(call: VenueCall): Promise<string | null>;
  invoke(call: VenueCall, invocation: Invocation): Promise<InvokeResult>;
  findOrder(call: VenueCall, order: { clientOrderId: string; symbol: string }): Promise<OrderLookup>;
}>;
