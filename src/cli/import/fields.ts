import { type SecretValues, unescapePem } from "../secret-input.ts";
import type { Venue } from "../shapes.ts";

/**
 * What people call the fields of a secret: Keyhold's own names, ccxt's (`requiredCredentials` of its Exchange), those of Alpaca's
 * SDKs (`secret_key`; `keyId` and `secretKey`), and each of them in the other spelling. A name that is not here means nothing.
 */
const fieldsByName: Readonly<Record<string, string>> = {
  api_key: "api_key",
  apiKey: "api_key",
  key_id: "api_key",
  keyId: "api_key",
  api_secret: "api_secret",
  apiSecret: "api_secret",
  secret: "api_secret",
  secret_key: "api_secret",
  secretKey: "api_secret",
  passphrase: "passphrase",
  password: "passphrase",
  uid: "uid",
  wallet_address: "wallet_address",
  walletAddress: "wallet_address",
  private_key: "private_key",
  privateKey: "private_key",
  token: "token",
};

export type Fitted = Readonly<{ secret: SecretValues }> | Readonly<{ problems: readonly string[] }>;

/**
 * The fields that the venue needs, out of what stands in a source. `leaveOut` names what does not belong to the secret; what is
 * empty is taken as not there. Problems name fields, never values.
 */
export function fitFields(
  venue: Venue,
  values: Readonly<Record<string, unknown>>,
  leaveOut: readonly string[],
): Fitted {
  const secret = new Map<string, string>();
  const problems: string[] = [];
  const named = new Set<string>();
  for (const [name, value] of Object.entries(values)) {
    if (leaveOut.includes(name) || value === "" || value === null) continue;
    const field = fieldNamed(name);
    if (field === undefined) problems.push(`${shown(name)} is not known (--leave-out passes over it)`);
    else if (!venue.fields.includes(field)) problems.push(`${name} is not used at ${venue.name}`);
    else if (named.has(field)) problems.push(`${name} is a second ${field}`);
    else if (typeof value !== "string") problems.push(`${name} is not a text`);
    else secret.set(field, unescapePem(value));
    if (field !== undefined) named.add(field);
  }
  for (const field of venue.fields) if (!named.has(field)) problems.push(`${field} is missing`);
  return problems.length === 0 ? { secret: Object.fromEntries(secret) } : { problems };
}

function fieldNamed(name: string): string | undefined {
  return Object.hasOwn(fieldsByName, name) ? fieldsByName[name] : undefined;
}

/** Somebody may have put a key where its name belongs. Names are words; keys are longer, or have digits in them. */
function shown(name: string): string {
  return /^[A-Za-z][A-Za-z_.-]{0,31}$/.test(name) ? name : "a field whose name is not a word";
}
