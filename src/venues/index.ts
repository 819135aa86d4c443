import { venueIdOf } from "./former-names.ts";
import { createAdapters } from "./adapters.ts";
import { createVenueKeys } from "./keys/pooled.ts";
import type { VenueKeys } from "./keys/venue-keys.ts";
import { createPool, endsWithinMs, type Pool, type PoolOptions } from "./pool.ts";
import type { Answer, Job } from "./protocol.ts";
import { type VenuesConfig, venueSettings } from "./settings.ts";
import type {
  CallTarget,
  InvokeResult,
  OrderLookup,
  SecretFields,
  Venue,
  VenueDescription,
} from "./venue.ts";
import type { Rejected, Verdict } from "./verdict.ts";

export type { PoolEvent, PoolOptions } from "./pool.ts";
export type { VenuesConfig } from "./settings.ts";
export { egressAddresses } from "./settings.ts";

export type Venues = Readonly<{
  /** The venue of this id or former name. Keep `venue.description.id`, not the name that was asked for. */
  get(id: string): Venue | undefined;
  list(): VenueDescription[];
  /** Milliseconds after which nothing of a call is under way any more, whatever happened to it. */
  endsWithinMs: number;
  /** The management of API keys at this venue; `undefined` where its API has none. */
  keys(id: string): VenueKeys | undefined;
  /** Ends the venue processes; calls under way end as unavailable. */
  close(): Promise<void>;
}>;

/**
 * Every venue Keyhold can talk to. No venue code runs and no credential is plaintext in this process: calls go to
 * child processes, which are started by the first one. Throws `RangeError` for senseless settings.
 */
export function createVenues(config: VenuesConfig = {}, options: PoolOptions = {}): Venues {
  const settings = venueSettings(config);
  const pool = createPool(settings, options);
  const venues = new Map(
    [...createAdapters().values()].map(({ description }) => [description.id, pooled(description, pool)]),
  );
  const keys = createVenueKeys(pool);
  return {
    get: (id) => venues.get(venueIdOf(id)),
    list: () => [...venues.values()].map(({ description }) => description),
    endsWithinMs: endsWithinMs(settings, options),
    keys: (id) => keys.get(venueIdOf(id)),
    close: () => pool.close(),
  };
}

function pooled(description: VenueDescription, pool: Pool): Venue {
  const ask = async (target: CallTarget, job: Job): Promise<Answer> =>
    incomplete(description, target) ??
    (await pool.call(target.tenantId, job, needed(description, target.fields)));
  const { id: venue } = description;
  return {
    description,
    async inspect(target) {
      const answer = await ask(target, { venue, environment: target.environment, verb: "inspect" });
      return isVerdict(answer) ? answer : misplaced(answer);
    },
    async invoke(target, invocation) {
      const answer = await ask(target, {
        venue,
        environment: target.environment,
        verb: "invoke",
        invocation,
      });
      return isInvokeResult(answer) ? answer : misplaced(answer);
    },
    async findOrder(target, order) {
      const answer = await ask(target, { venue, environment: target.environment, verb: "findOrder", order });
      return isOrderLookup(answer) ? answer : misplaced(answer);
    },
  };
}

/** Only the fields that the venue asks for leave this process. */
function needed(description: VenueDescription, fields: SecretFields): SecretFields {
  return new Map([...fields].filter(([name]) => description.fields.includes(name)));
}

function incomplete(
  description: VenueDescription,
  { environment, fields }: CallTarget,
): Rejected | undefined {
  const { name } = description;
  if (!description.environments.includes(environment)) {
    return {
      outcome: "rejected",
      reason: "wrong_environment",
      unsent: true,
      message: `${name} has no ${environment} environment.`,
    };
  }
  const missing = description.fields.find((field) => (fields.get(field)?.byteLength ?? 0) === 0);
  if (missing === undefined) return undefined;
  return {
    outcome: "rejected",
    reason: "malformed",
    unsent: true,
    message: `${name} needs the field ${missing}.`,
  };
}

function isVerdict(answer: Answer): answer is Verdict {
  switch (answer.outcome) {
    case "done":
    case "refused":
    case "withheld":
    case "absent":
      return false;
    default:
      return true;
  }
}

function isInvokeResult(answer: Answer): answer is InvokeResult {
  return answer.outcome !== "valid" && answer.outcome !== "absent";
}

function isOrderLookup(answer: Answer): answer is OrderLookup {
  return answer.outcome !== "valid";
}

function misplaced(answer: Answer): never {
  throw new TypeError(`a venue process answered another question: ${answer.outcome}`);
}
