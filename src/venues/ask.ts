import { takesAnyKey } from "./adapter.ts";
import type { KeyIssuing } from "./exchanges/key-issuing.ts";
import { unknownPermissions } from "./exchanges/permissions.ts";
import { keyFailure } from "./outcomes.ts";
import type { Pool } from "./process/pool.ts";
import { type Answer, createRecipient, type Job, type KeyJob } from "./process/protocol.ts";
import {
  isMarker,
  type KeyFailure,
  type KeyManagement,
  type KeyRefusalReason,
  type KeyTarget,
  type VenueKeys,
} from "./venue-keys.ts";
import type {
  CallTarget,
  Environment,
  FieldName,
  InvokeResult,
  OrderLookup,
  SecretFields,
  Venue,
  VenueDescription,
} from "./venue.ts";
import type { Rejected, Unproven, Valid, Verdict } from "./verdict.ts";

/** A venue whose code runs in the processes of `pool`. */
export function createVenue(description: VenueDescription, pool: Pool, refusals: KnownRefusals): Venue {
  const ask = async (target: CallTarget, job: Job): Promise<Answer> =>
    incomplete(description, target) ??
    (await pool.call(target.tenantId, job, [needed(description, target.fields)]));
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
      const { environment } = target;
      const answer = await ask(target, { venue, environment, verb: "invoke", invocation });
      return isInvokeResult(answer) ? answer : misplaced(answer);
    },
    async findOrder(target, order) {
      const answer = await ask(target, { venue, environment: target.environment, verb: "findOrder", order });
      return isOrderLookup(answer) ? answer : misplaced(answer);
    },
  };
}

/** The verdict on a key that answered a read, when nothing more is known. */
const readable: Valid = { outcome: "valid", permissions: unknownPermissions, expiresAt: null, account: {} };

/** The management of keys at a venue, whose code runs in the processes of `pool`. */
export function createVenueKeys(venue: VenueDescription, issuing: KeyIssuing, pool: Pool): VenueKeys {
  const { environments, longestMarker, settlesAfterMs } = issuing;
  const { id, name, fields } = venue;
  const description = { venue: id, name, fields, environments, longestMarker, settlesAfterMs };
  const ask = async (target: KeyTarget, job: KeyJob, key?: SecretFields) => {
    const misfit = misfitOf(description, target, job, key);
    if (misfit !== undefined) return misfit;
    const recipient = createRecipient();
    const credentials = [target.parent, target.current, ...(key === undefined ? [] : [key])];
    const sent = credentials.map((its) => needed(description, its));
    const answer = await pool.call(target.tenantId, job, sent, recipient.publicKey);
    if (!("sealed" in answer)) return answer;
    return { outcome: answer.outcome, fields: recipient.openSecrets(answer.sealed) };
  };
  return {
    description,
    async create(target, marker) {
      const job = { venue: id, environment: target.environment, verb: "createKey", marker } as const;
      const answer = await ask(target, job);
      if (!("fields" in answer)) return failureIn(answer);
      if (answer.outcome === "created") return { outcome: "created", fields: answer.fields };
      return answer.outcome === "exists" ? { outcome: "exists", key: answer.fields } : misplaced(answer);
    },
    async find(target, marker) {
      const job = { venue: id, environment: target.environment, verb: "findKey", marker } as const;
      const answer = await ask(target, job);
      if (!("fields" in answer)) {
        return answer.outcome === "absent" ? { outcome: "absent" } : failureIn(answer);
      }
      return answer.outcome === "found" ? { outcome: "found", key: answer.fields } : misplaced(answer);
    },
    async revoke(target, key) {
      const job = { venue: id, environment: target.environment, verb: "revokeKey" } as const;
      const answer = await ask(target, job, key);
      if ("fields" in answer) return misplaced(answer);
      return answer.outcome === "revoked" || answer.outcome === "absent"
        ? { outcome: answer.outcome }
        : failureIn(answer);
    },
  };
}

/** Only the fields that the venue asks for leave this process. */
function needed({ fields: names }: Pick<VenueDescription, "fields">, fields: SecretFields): SecretFields {
  return new Map([...fields].filter(([name]) => names.includes(name)));
}

function isEmpty(fields: SecretFields, name: FieldName): boolean {
  return (fields.get(name)?.byteLength ?? 0) === 0;
}

function incomplete(
  { name, environments, fields: names }: VenueDescription,
  { environment, fields }: CallTarget,
): Rejected | undefined {
  const rejected = (reason: Rejected["reason"], message: string): Rejected => {
    return { outcome: "rejected", reason, unsent: true, message };
  };
  if (!environments.includes(environment)) {
    return rejected("wrong_environment", `${name} has no ${environment} environment.`);
  }
  const missing = names.find((field) => isEmpty(fields, field));
  return missing === undefined ? undefined : rejected("malformed", `${name} needs the field ${missing}.`);
}

/** Why the venue need not be asked. */
function misfitOf(
  { name, environments, fields, longestMarker }: KeyManagement,
  target: KeyTarget,
  job: KeyJob,
  key: SecretFields | undefined,
): KeyFailure | undefined {
  const refused = (reason: KeyRefusalReason, hint: string) =>
    keyFailure({ name, addresses: [] }, reason, { hint });
  if (!environments.includes(target.environment)) {
    return refused("unsupported", `Not for ${target.environment} keys.`);
  }
  if ("marker" in job && !isMarker(job.marker, longestMarker)) {
    return refused(
      "malformed",
      `A marker has 8 to ${longestMarker} lower-case letters and digits, a letter first.`,
    );
  }
  const missing = fields.find((field) => isEmpty(target.parent, field) || isEmpty(target.current, field));
  if (missing !== undefined) return refused("malformed", `It needs the field ${missing}.`);
  const isNameless = key !== undefined && isEmpty(key, "api_key");
  return isNameless ? refused("malformed", "It needs the field api_key.") : undefined;
}

function isVerdict(answer: Answer): answer is Verdict {
  switch (answer.outcome) {
    case "done":
    case "refused":
    case "withheld":
    case "absent":
    case "learned":
    case "created":
    case "exists":
    case "found":
    case "revoked":
      return false;
    default:
      return true;
  }
}

function isInvokeResult(answer: Answer): answer is InvokeResult {
  return answer.outcome !== "absent" && isOrderLookup(answer);
}

function isOrderLookup(answer: Answer): answer is OrderLookup {
  switch (answer.outcome) {
    case "valid":
    case "unproven":
    case "learned":
    case "created":
    case "exists":
    case "found":
    case "revoked":
      return false;
    case "refused":
      return !("reason" in answer);
    default:
      return true;
  }
}

function failureIn(answer: Answer): KeyFailure {
  switch (answer.outcome) {
    case "refused":
      return "reason" in answer ? answer : misplaced(answer);
    case "clock_skew":
    case "nonce":
    case "rate_limited":
    case "venue_unavailable":
    case "timeout":
    case "blocked":
    case "unexpected_answer":
      return answer;
    default:
      return misplaced(answer);
  }
}

function misplaced({ outcome }: Pick<Answer, "outcome">): never {
  throw new TypeError(`a venue process answered another question: ${outcome}`);
}

/** How venues refuse a key that they do not know. What was learned is shared by all tenants. */
export type KnownRefusals = Readonly<{
  /**
   * The form of the refusal; `null` where it is not known. `learn` asks the venue, and is called at most once
   * a day for each venue and environment, whatever came of it.
   */
  of(
    place: Readonly<{ venue: string; environment: Environment }>,
    learn: () => Promise<string | null>,
  ): Promise<string | null>;
}>;

const dayMs = 86_400_000;

/** Remembers refusals in this process alone, for programs that have no database. */
export function refusalsInMemory(now: () => number = Date.now): KnownRefusals {
  const learned = new Map<string, Readonly<{ at: number; form: Promise<string | null> }>>();
  return {
    of({ venue, environment }, learn) {
      const key = `${venue} ${environment}`;
      const known = learned.get(key);
      if (known !== undefined && now() - known.at < dayMs) return known.form;
      const form = learn();
      learned.set(key, { at: now(), form });
      return form;
    },
  };
}
