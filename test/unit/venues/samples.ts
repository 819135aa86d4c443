import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createAdapters } from "../../../src/venues/adapters.ts";
import { createPerformer } from "../../../src/venues/process/perform.ts";
import type { Answer, Job } from "../../../src/venues/process/protocol.ts";
import { type VenuesConfig, venueSettings } from "../../../src/venues/settings.ts";
import type { Environment, FieldName } from "../../../src/venues/venue.ts";
import type { Verdict } from "../../../src/venues/verdict.ts";

export const venueIds = [...createAdapters().keys()];

/** Does a job with one credential. */
export type Perform = (job: Job, fields: ReadonlyMap<FieldName, string>) => Promise<Answer>;

/** All venues at one address, performed in this process. */
export function performerAt(url: string, config: VenuesConfig = {}): Perform {
  const hosts = Object.fromEntries(venueIds.map((id) => [id, url]));
  const perform = createPerformer(venueSettings({ hosts, ...config }));
  return (job, fields) => perform(job, [fields]);
}

/** Generated credentials in the form that the venue's signing needs. */
export function credentialsOf(venue: string): ReadonlyMap<FieldName, string> {
  const words = new Map<FieldName, string>([
    ["api_key", randomBytes(24).toString("hex")],
    ["api_secret", randomBytes(48).toString("base64")],
    ["passphrase", randomBytes(12).toString("hex")],
    ["uid", "1234567"],
    ["wallet_address", `0x${randomBytes(20).toString("hex")}`],
    ["private_key", `0x${randomBytes(32).toString("hex")}`],
    ["token", randomBytes(24).toString("hex")],
  ]);
  if (venue === "coinbase") {
    words.set("api_key", `organizations/${crypto.randomUUID()}/apiKeys/${crypto.randomUUID()}`);
    words.set("api_secret", ecPem());
  }
  if (venue === "revolutx") words.set("private_key", ed25519Pem());
  // Gemini's master keys cannot be used here, and ccxt tells them by the name.
  if (venue === "gemini") words.set("api_key", `account-${randomBytes(16).toString("hex")}`);
  const fields = createAdapters().get(venue)?.description.fields ?? [];
  return new Map(fields.map((name) => [name, words.get(name) ?? ""]));
}

export function ecPem(): string {
  return generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey.export({
    type: "sec1",
    format: "pem",
  });
}

function ed25519Pem(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
}

export function firstEnvironment(venue: string): Environment {
  return createAdapters().get(venue)?.description.environments[0] ?? "live";
}

/** Inspects generated credentials. */
export async function inspectAt(
  perform: Perform,
  venue: string,
  fields = credentialsOf(venue),
  environment = firstEnvironment(venue),
): Promise<Verdict> {
  const answer = await perform({ venue, environment, verb: "inspect" }, fields);
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
      throw new TypeError("not a verdict");
    default:
      return answer;
  }
}
