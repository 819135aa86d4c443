import { type FieldName, fieldNames } from "../venue.ts";
import { type KeyDriver, KeyProblem, type KeySession, type ListedKey } from "../exchanges/key-issuing.ts";
import { passphraseOf } from "../keys/passphrase.ts";
import type { FieldTexts } from "./spell.ts";

/** One job under way at one venue. */
export type KeyWork = Readonly<{
  driver: KeyDriver;
  session: KeySession;
  parent: FieldTexts;
  current: FieldTexts;
}>;

export type KeyResult =
  | Readonly<{ outcome: "created" | "exists" | "found"; fields: FieldTexts }>
  | Readonly<{ outcome: "revoked" }>
  | Readonly<{ outcome: "absent" }>;

/** Looks for the marker first, so that a creation whose answer was lost is never repeated. Throws `KeyProblem`. */
export async function createKey(work: KeyWork, marker: string): Promise<KeyResult> {
  const { driver, session, current } = work;
  const account = await driver.locate(session);
  const keys = await driver.list(session, account);
  const earlier = withMarker(keys, marker);
  if (earlier !== undefined) return { outcome: "exists", fields: revocableFields(work, earlier) };
  const like = keys.find(({ apiKey }) => apiKey === current.get("api_key"));
  if (like === undefined) throw new KeyProblem("not_a_sub_account");
  const passphrase = passphraseIn(work, marker);
  const { apiKey, apiSecret } = await driver.create(session, { account, like, marker, ...passphrase });
  const fields = { api_key: apiKey, api_secret: apiSecret, ...passphrase };
  return { outcome: "created", fields: fieldTexts(fields) };
}

/** Throws `KeyProblem`. */
export async function findKey(work: KeyWork, marker: string): Promise<KeyResult> {
  const account = await work.driver.locate(work.session);
  const found = withMarker(await work.driver.list(work.session, account), marker);
  return found === undefined
    ? { outcome: "absent" }
    : { outcome: "found", fields: revocableFields(work, found) };
}

/** `revoked` once the venue no longer lists the key. Throws `KeyProblem`. */
export async function revokeKey({ driver, session }: KeyWork, key: FieldTexts): Promise<KeyResult> {
  const apiKey = key.get("api_key") ?? "";
  const account = await driver.locate(session);
  const isListed = async () =>
    (await driver.list(session, account)).some((listed) => listed.apiKey === apiKey);
  if (!(await isListed())) return { outcome: "absent" };
  try {
    await driver.remove(session, account, { apiKey, passphrase: key.get("passphrase") });
  } catch (error) {
    // What is said of a key that was deleted meanwhile is hardly documented anywhere; the list knows.
    const isRefused = error instanceof KeyProblem && error.problem === "refused";
    if (isRefused && !(await isListed())) return { outcome: "absent" };
    throw error;
  }
  if (await isListed()) {
    throw new KeyProblem("unexpected_answer", { hint: "It still lists the deleted key." });
  }
  return { outcome: "revoked" };
}

function withMarker(keys: readonly ListedKey[], marker: string): ListedKey | undefined {
  return keys.find((key) => key.marker === marker);
}

/** What deleting the key takes. */
function revocableFields(work: KeyWork, { apiKey, marker }: ListedKey): FieldTexts {
  return fieldTexts({ api_key: apiKey, ...passphraseIn(work, marker) });
}

function fieldTexts(texts: Readonly<Partial<Record<FieldName, string>>>): FieldTexts {
  return new Map(
    fieldNames.flatMap((name) => {
      const text = texts[name];
      return text === undefined ? [] : [[name, text] as const];
    }),
  );
}

function passphraseIn({ driver, parent }: KeyWork, marker: string): Readonly<{ passphrase?: string }> {
  if (driver.passphrase === undefined) return {};
  const special = driver.passphrase === "special";
  return { passphrase: passphraseOf(parent.get("api_secret") ?? "", marker, special) };
}
