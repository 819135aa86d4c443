import { InvalidArgumentError } from "commander";
import { fieldNames, formerNamesOf, type FieldName } from "../venues/venue.ts";

/** Field name → value, as a request sends it. */
export type SecretValues = Readonly<Record<string, string>>;

/** As much of a venue as the names of its fields need. */
export type Venue = Readonly<{ id: string; name: string; fields: readonly string[] }>;

/**
 * How a person explains the names in a source: which field each of them means, and what does not belong to
 * the secret.
 */
export type Naming = Readonly<{ field?: ReadonlyMap<string, FieldName>; leaveOut?: readonly string[] }>;

/**
 * What people call the fields of a secret: Keyhold's own names, ccxt's (`requiredCredentials` of its
 * Exchange), those of Alpaca's SDKs and their variables, of freqtrade, OctoBot and Hummingbot, and of the
 * venues' pages and headers. Capitals, and what separates words, make no difference.
 */
const namesByField: Readonly<Record<FieldName, readonly string[]>> = {
  api_key: ["api_key", "key", "key_id", "api_key_id", "access_key", "access_key_id", "client_id"],
  api_secret: [
    "api_secret",
    "secret",
    "secret_key",
    "api_secret_key",
    "api_private_key",
    "access_secret",
    "access_key_secret",
    "secret_access_key",
    "client_secret",
  ],
  passphrase: ["passphrase", "password", "api_passphrase", "api_password", "access_passphrase"],
  uid: ["uid", "user_id", "account_id"],
  wallet_address: ["wallet_address", "account_address", "wallet"],
  private_key: ["private_key", "wallet_private_key"],
  token: ["token", "api_token", "access_token"],
};
const fieldsByName: ReadonlyMap<string, FieldName> = new Map(
  fieldNames.flatMap((field) => namesByField[field].map((name) => [squashed(name), field] as const)),
);

/** At a venue that has one of the two, both names mean it. */
const siblings: Readonly<Partial<Record<FieldName, FieldName>>> = {
  api_secret: "private_key",
  private_key: "api_secret",
};

/** Words that programs put before a name. */
const prefixes =
  "my exchange ccxt freqtrade hummingbot live paper testnet test demo sandbox prod spot futures apca x mbx bapi cb cdp ok kc";
const generalPrefixes: ReadonlySet<string> = new Set(prefixes.split(" "));

/**
 * Files and texts that a venue itself hands out: what a name means there alone, and what else such a file
 * holds.
 */
const files: Readonly<Record<string, { names: Record<string, FieldName>; beside: readonly string[] }>> = {
  alpaca: { names: {}, beside: ["api_base_url", "api_data_url", "base_url", "endpoint"] },
  coinbase: {
    names: { name: "api_key", id: "api_key" },
    beside: [
      "principal",
      "principal_type",
      "public_key",
      "create_time",
      "project_id",
      "nickname",
      "scopes",
      "allowed_ips",
      "key_type",
      "enabled",
    ],
  },
  okx: { names: {}, beside: ["ip", "api_key_name", "permissions"] },
};

/**
 * The values of a source, under the names of the venue's fields. An empty value counts as missing, and line
 * breaks at the end of a value are removed. `names`: only the names are judged, and which of the fields the
 * venue needs is left to the service. Problems name fields, never values.
 */
export function fitFields(
  venue: Venue,
  values: Readonly<Record<string, unknown>>,
  { field: said = new Map(), leaveOut = [] }: Naming,
  judged: "names" | "all" = "all",
): Readonly<{ secret: SecretValues }> | Readonly<{ problems: readonly string[] }> {
  const secret = new Map<string, string>();
  const problems: string[] = [];
  const named = new Set<string>();
  let unknown = false;
  for (const [name, value] of Object.entries(values)) {
    if (leaveOut.includes(name) || value === "" || value === null) continue;
    const field = said.get(name) ?? fieldNamed(venue, name, values);
    if (field === "beside") continue;
    const isUsed = field === undefined || judged === "names" || venue.fields.includes(field);
    unknown ||= field === undefined;
    if (field === undefined) problems.push(`${shown(name)} is not known (--leave-out passes over it)`);
    else if (!isUsed) problems.push(`${shown(name)} is not used at ${venue.name}`);
    else if (named.has(field)) problems.push(`${shown(name)} is a second ${field}`);
    else if (typeof value !== "string") problems.push(`${shown(name)} is not a text`);
    else secret.set(field, value.replace(/[\r\n]+$/, ""));
    if (field !== undefined) named.add(field);
  }
  if (judged === "all")
    for (const field of venue.fields) if (!named.has(field)) problems.push(`${field} is missing`);
  if (unknown) problems.push(knownAt(venue));
  return problems.length === 0 ? { secret: Object.fromEntries(secret) } : { problems };
}

/** For an option that may be given several times, each time as theirs=ours. */
export function collectFields(
  value: string,
  earlier: ReadonlyMap<string, FieldName> = new Map(),
): ReadonlyMap<string, FieldName> {
  // The name in the source may itself hold the sign.
  const at = value.lastIndexOf("=");
  const ours = fieldNames.find((field) => field === value.slice(at + 1));
  if (at > 0 && ours !== undefined) return new Map([...earlier, [value.slice(0, at), ours]]);
  throw new InvalidArgumentError(`Write theirs=ours, where ours is one of ${fieldNames.join(", ")}.`);
}

/** The field that a name means at a venue; `beside` for what a file of the venue has beside the key. */
function fieldNamed(
  venue: Venue,
  name: string,
  values: Readonly<Record<string, unknown>>,
): FieldName | "beside" | undefined {
  const { names, beside } = files[venue.id] ?? { names: {}, beside: [] };
  const own = Object.hasOwn(names, name) ? names[name] : undefined;
  // Coinbase's older file has the id of the key inside its name.
  if (own !== undefined) return name === "id" && "name" in values ? "beside" : own;
  const words = name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+/g)?.map((word) => word.toLowerCase()) ?? [];
  for (const at of words.keys()) {
    const rest = words.slice(at).join("");
    if (!words.slice(0, at).every((word) => isPrefix(venue, word))) return undefined;
    if (beside.some((other) => squashed(other) === rest)) return "beside";
    const field = fieldsByName.get(rest);
    if (field !== undefined) return atVenue(venue, field);
  }
  return undefined;
}

function atVenue({ fields }: Venue, field: FieldName): FieldName {
  const sibling = siblings[field];
  return !fields.includes(field) && sibling !== undefined && fields.includes(sibling) ? sibling : field;
}

function isPrefix({ id, name }: Venue, word: string): boolean {
  const own = [id, ...formerNamesOf(id), ...name.toLowerCase().split(/[^a-z0-9]+/)];
  return generalPrefixes.has(word) || own.includes(word);
}

function squashed(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
}

/** The fields of a venue with the names that are known for each. */
function knownAt(venue: Venue): string {
  const described = fieldNames
    .filter((field) => venue.fields.includes(field))
    .map((field) => {
      const meaning = fieldNames.filter((other) => atVenue(venue, other) === field);
      const others = meaning.flatMap((other) => namesByField[other]).filter((name) => name !== field);
      return others.length === 0 ? field : `${field} (also called ${others.join(", ")})`;
    });
  return `${venue.name} has ${described.join(", ")}`;
}

/** A key may stand where its name belongs. Names are words; keys are longer, or have digits in them. */
function shown(name: string): string {
  return /^[A-Za-z][A-Za-z_. -]{0,31}$/.test(name) ? name : "a field whose name is not a word";
}
