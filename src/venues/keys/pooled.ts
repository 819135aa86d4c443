import type { Pool } from "../process/pool.ts";
import { createRecipient } from "../process/transport.ts";
import type { Environment, FieldName, SecretFields } from "../venue.ts";
import { describeKeys } from "./describe.ts";
import type { KeyDriver } from "../exchanges/key-issuing.ts";
import { keyDrivers } from "./drivers.ts";
import { keyRefused } from "./failures.ts";
import type { KeyAnswer, KeyJob } from "./job.ts";
import { isMarker } from "./marker.ts";
import type { KeyFailure, KeyManagement, KeyRefusalReason, KeyTarget, VenueKeys } from "../venue-keys.ts";

/** The venues at which keys can be managed, by id. Their code runs in the processes of `pool`. */
export function createVenueKeys(pool: Pool): ReadonlyMap<string, VenueKeys> {
  return new Map([...keyDrivers].map(([venue, driver]) => [venue, pooled(driver, pool)]));
}

type Wanted =
  | Readonly<{ verb: "createKey" | "findKey"; marker: string }>
  | Readonly<{ verb: "revokeKey"; key: SecretFields }>;

type Reply =
  | Readonly<{ outcome: "created" | "exists" | "found"; fields: SecretFields }>
  | Exclude<KeyAnswer, { sealed: Uint8Array }>;

function pooled(driver: KeyDriver, pool: Pool): VenueKeys {
  const description = describeKeys(driver);
  const ask = async (target: KeyTarget, wanted: Wanted): Promise<Reply> =>
    misfit(description, target, wanted) ?? exchange(description, pool, target, wanted);
  return {
    description,
    async create(target, marker) {
      const reply = await ask(target, { verb: "createKey", marker });
      if (reply.outcome === "created") return { outcome: "created", fields: reply.fields };
      return reply.outcome === "exists" ? { outcome: "exists", key: reply.fields } : failureIn(reply);
    },
    async find(target, marker) {
      const reply = await ask(target, { verb: "findKey", marker });
      if (reply.outcome === "found") return { outcome: "found", key: reply.fields };
      return reply.outcome === "absent" ? { outcome: "absent" } : failureIn(reply);
    },
    async revoke(target, key) {
      const reply = await ask(target, { verb: "revokeKey", key });
      return reply.outcome === "revoked" || reply.outcome === "absent"
        ? { outcome: reply.outcome }
        : failureIn(reply);
    },
  };
}

async function exchange(
  description: KeyManagement,
  pool: Pool,
  { tenantId, environment, parent, current }: KeyTarget,
  wanted: Wanted,
): Promise<Reply> {
  const recipient = createRecipient();
  const job = jobOf(description.venue, environment, wanted);
  const credentials = [parent, current, ...("key" in wanted ? [wanted.key] : [])];
  const needed = credentials.map((fields) => neededFields(description, fields));
  const answer = await pool.manageKeys(tenantId, job, needed, recipient.publicKey);
  if (!("sealed" in answer)) return answer;
  return { outcome: answer.outcome, fields: recipient.openSecrets(answer.sealed) };
}

function jobOf(venue: string, environment: Environment, wanted: Wanted): KeyJob {
  if (wanted.verb === "revokeKey") return { venue, environment, verb: "revokeKey" };
  const { verb, marker } = wanted;
  return { venue, environment, verb, marker };
}

/** Only the fields that the venue asks for leave this process. */
function neededFields(description: KeyManagement, fields: SecretFields): SecretFields {
  return new Map([...fields].filter(([name]) => description.fields.includes(name)));
}

/** What the venue need not be asked for. */
function misfit(description: KeyManagement, target: KeyTarget, wanted: Wanted): KeyFailure | undefined {
  const { name, environments, fields, longestMarker } = description;
  const refused = (reason: KeyRefusalReason, hint: string) =>
    keyRefused({ name, addresses: [] }, reason, { hint });
  if (!environments.includes(target.environment)) {
    return refused("unsupported", `Not for ${target.environment} keys.`);
  }
  if ("marker" in wanted && !isMarker(wanted.marker, longestMarker)) {
    return refused(
      "malformed",
      `A marker has 8 to ${longestMarker} lower-case letters and digits, a letter first.`,
    );
  }
  const missing = fields.find((field) => isEmpty(target.parent, field) || isEmpty(target.current, field));
  if (missing !== undefined) return refused("malformed", `It needs the field ${missing}.`);
  const nameless = "key" in wanted && isEmpty(wanted.key, "api_key");
  return nameless ? refused("malformed", "It needs the field api_key.") : undefined;
}

function isEmpty(fields: SecretFields, name: FieldName): boolean {
  return (fields.get(name)?.byteLength ?? 0) === 0;
}

function failureIn(reply: Reply): KeyFailure {
  if ("fields" in reply || reply.outcome === "revoked" || reply.outcome === "absent") {
    throw new TypeError(`a venue process answered another question: ${reply.outcome}`);
  }
  return reply;
}
