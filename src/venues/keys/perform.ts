import { Secret } from "../../crypto/secret.ts";
import type { VenueCall } from "../adapter.ts";
import { createBoundedFetch } from "../process/bounded-fetch.ts";
import { exchangeTable } from "../exchanges/index.ts";
import { expiry } from "../process/perform.ts";
import { createScrubber } from "../process/scrub.ts";
import { type FieldTexts, isPrivateKey, spellFields } from "../process/spell.ts";
import { egressAddresses, type VenueSettings } from "../settings.ts";
import { sealFields } from "../process/transport.ts";
import type { Environment } from "../venue.ts";
import { describeKeys } from "./describe.ts";
import { type KeyDriver, KeyProblem } from "../exchanges/key-issuing.ts";
import { keyDrivers } from "./drivers.ts";
import { failureOf } from "./failures.ts";
import type { KeyAnswer, KeyJob } from "./job.ts";
import { createKey, findKey, type KeyResult, revokeKey } from "../process/manage-keys.ts";
import { openKeySession } from "../ccxt/key-session.ts";

/** `credentials`: parent, current key, and the key to delete where the job deletes one. `leaving` as in `Perform`. */
export type PerformKeyJob = (
  job: KeyJob,
  credentials: readonly FieldTexts[],
  replyTo: Uint8Array,
  leaving?: () => Promise<void>,
) => Promise<KeyAnswer>;

/** Does jobs that manage keys, each within the time-out. What a venue made leaves sealed, and no message tells it. */
export function createKeyPerformer(settings: VenueSettings): PerformKeyJob {
  const fetchFor = createBoundedFetch(settings);
  return async (job, given, replyTo, leaving) => {
    const driver = keyDrivers.get(job.venue);
    if (driver === undefined) throw new RangeError(`no keys are managed at ${job.venue}`);
    const speaker = { name: describeKeys(driver).name, addresses: egressAddresses(settings, job.venue) };
    const spelled = given.map((fields) => spellFields(job.venue, fields));
    const texts = [...given, ...spelled].flatMap((fields) =>
      "problem" in fields ? [] : [...fields.values()],
    );
    const scrub = createScrubber(texts);
    const send = fetchFor(job.venue, job.environment);
    const deadline = AbortSignal.timeout(settings.timeoutMs);
    try {
      const work = run(driver, job, spelled.map(sharedSecret), async (request) => {
        await leaving?.();
        return send(request, deadline);
      });
      return sealed(await Promise.race([work, expiry(deadline, settings)]), replyTo);
    } catch (error) {
      const failure = failureOf(error, speaker);
      return { ...failure, message: scrub.text(failure.message) };
    }
  };
}

async function run(
  driver: KeyDriver,
  job: KeyJob,
  credentials: readonly FieldTexts[],
  send: VenueCall["send"],
): Promise<KeyResult> {
  const [parent, current, key = new Map()] = credentials;
  if (parent === undefined || current === undefined) throw new TypeError("a key job lacks a credential");
  const session = await openKeySession({
    driver,
    ...exchangeOf(driver, job.environment),
    credentials: { parent, current },
    send,
  });
  const work = { driver, session, parent, current };
  if (job.verb === "createKey") return createKey(work, job.marker);
  return job.verb === "findKey" ? findKey(work, job.marker) : revokeKey(work, key);
}

function exchangeOf({ venue }: KeyDriver, environment: Environment) {
  const row = exchangeTable.get(venue);
  const mode = row?.environments[environment];
  if (row === undefined || mode === undefined) throw new RangeError(`no ${venue} ${environment} here`);
  return { row, mode };
}

/** Throws `KeyProblem` for what no signer may get, and for a key pair. */
function sharedSecret(fields: ReturnType<typeof spellFields>): FieldTexts {
  if ("problem" in fields) throw new KeyProblem("malformed", { hint: fields.problem });
  if (!isPrivateKey(fields.get("api_secret") ?? "")) return fields;
  throw new KeyProblem("unsupported", {
    hint: "It is a key pair; only keys with a shared secret are made.",
  });
}

function sealed(result: KeyResult, replyTo: Uint8Array): KeyAnswer {
  if (!("fields" in result)) return result;
  const secrets = new Map([...result.fields].map(([name, text]) => [name, Secret.fromText(text)]));
  try {
    return { outcome: result.outcome, sealed: sealFields(secrets, replyTo) };
  } finally {
    for (const secret of secrets.values()) secret[Symbol.dispose]();
  }
}
