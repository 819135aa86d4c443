import { venueIdOf } from "./former-names.ts";
import { createAdapters } from "./adapters.ts";
import { unknownPermissions } from "./exchanges/permissions.ts";
import { type KnownRefusals, refusalsInMemory, takesAnyKey } from "./known-refusals.ts";
import { createVenueKeys } from "./keys/pooled.ts";
import type { VenueKeys } from "./venue-keys.ts";
import { createPool, endsWithinMs, type Pool, type PoolOptions } from "./process/pool.ts";
import type { Answer, Job } from "./process/protocol.ts";
import { type VenuesConfig, venueSettings } from "./settings.ts";
import type {
  CallTarget,
  InvokeResult,
  OrderLookup,
  SecretFields,
  Venue,
  VenueDescription,
} from "./venue.ts";
import type { Rejected, Unproven, Valid, Verdict } from "./verdict.ts";

export type { PoolEvent, PoolOptions } from "./process/pool.ts";
export type { VenuesConfig } from "./settings.ts";
export { assertVenueNames } from "./assert-names.ts";
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

export type VenuesOptions = PoolOptions & Readonly<{ refusals?: KnownRefusals }>;

/**
 * Every venue Keyhold can talk to. No venue code runs and no credential is plaintext in this process: calls go to
 * child processes, which are started by the first one. Throws `RangeError` for senseless settings.
 */
export function createVenues(
  config: VenuesConfig = {},
  { refusals = refusalsInMemory(), ...options }: VenuesOptions = {},
): Venues {
  const settings = venueSettings(config);
  const pool = createPool(settings, options);
  const venues = new Map(
    [...createAdapters().values()].map(({ description }) => [
      description.id,
      pooled(description, pool, refusals),
    ]),
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

function pooled(description: VenueDescription, pool: Pool, refusals: KnownRefusals): Venue {
  const ask = async (target: CallTarget, job: Job): Promise<Answer> =>
    incomplete(description, target) ??
    (await pool.call(target.tenantId, job, needed(description, target.fields)));
  const { id: venue } = description;
  /** An answer in another form than the refusal of a key that the venue does not know is no refusal. */
  const compare = async ({ form, ...verdict }: Unproven, target: CallTarget): Promise<Verdict> => {
    if (form === undefined) return verdict;
    const { environment } = target;
    const refused = await refusals
      .of({ venue, environment }, async () => {
        const answer = await ask(target, { venue, environment, verb: "learnRefusal" });
        return answer.outcome === "learned" ? answer.form : null;
      })
      // What cannot be looked up is not known.
      .catch(() => null);
    const isOther = refused !== null && refused !== takesAnyKey && refused !== form;
    return isOther ? readable : verdict;
  };
  return {
    description,
    async inspect(target) {
      const answer = await ask(target, { venue, environment: target.environment, verb: "inspect" });
      const verdict = isVerdict(answer) ? answer : misplaced(answer);
      return verdict.outcome === "unproven" ? compare(verdict, target) : verdict;
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

/** Of a key that answered a read, and nothing more. */
const readable: Valid = { outcome: "valid", permissions: unknownPermissions, expiresAt: null, account: {} };

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
    case "learned":
      return false;
    default:
      return true;
  }
}

function isInvokeResult(answer: Answer): answer is InvokeResult {
  return answer.outcome !== "absent" && isOrderLookup(answer);
}

function isOrderLookup(answer: Answer): answer is OrderLookup {
  return answer.outcome !== "valid" && answer.outcome !== "unproven" && answer.outcome !== "learned";
}

function misplaced(answer: Answer): never {
  throw new TypeError(`a venue process answered another question: ${answer.outcome}`);
}
