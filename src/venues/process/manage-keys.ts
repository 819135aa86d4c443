import { hkdfSync } from "node:crypto";
import { Secret } from "../../crypto/secret.ts";
import type { VenueCall } from "../adapter.ts";
import { openExchange, signedRequest } from "../ccxt/exchange.ts";
import { namedPermit } from "../ccxt/gate.ts";
import type { ApiRequest, Exchange } from "../ccxt/instance.ts";
import type { KnownExchange, Mode } from "../exchanges/exchange.ts";
import { exchangeTable } from "../exchanges/index.ts";
import { type KeyIssuing, KeyProblem, type KeySession, type ListedKey } from "../exchanges/key-issuing.ts";
import { type Dialect, interpret, type Interpretation } from "../interpret.ts";
import type { Meaning } from "../outcomes.ts";
import { type FieldName, fieldNames } from "../venue.ts";
import { type HttpAnswer, type HttpRequest, Withheld } from "./bounded-fetch.ts";
import { type KeyAnswer, type KeyJob, sealFields } from "./protocol.ts";
import { type FieldTexts, isPrivateKey, type spellFields } from "./spell.ts";

/**
 * Does one job that manages keys. What a venue made leaves sealed to `replyTo`, and no message holds it.
 * Throws `KeyProblem`, `FetchFailure`, and `ZodError` for an answer in another shape than the documented one.
 */
export async function manageKeys(
  job: KeyJob,
  credentials: readonly ReturnType<typeof spellFields>[],
  { send, replyTo }: Readonly<{ send: VenueCall["send"]; replyTo: Uint8Array | undefined }>,
): Promise<KeyAnswer> {
  const row = exchangeTable.get(job.venue);
  const issuing = row?.issuing;
  const mode = row?.environments[job.environment];
  if (row === undefined || issuing === undefined || mode === undefined) {
    throw new RangeError(`no keys are managed at ${job.venue} ${job.environment}`);
  }
  const [parent, current, key = new Map()] = credentials.map(sharedSecret);
  if (parent === undefined || current === undefined) throw new TypeError("a key job lacks a credential");
  const session = await openKeySession({ issuing, row, mode, credentials: { parent, current }, send });
  const work = { issuing, session, parent, current };
  if (job.verb === "revokeKey") return revokeKey(work, key);
  if (replyTo === undefined) throw new TypeError("a key job lacks the key to which it replies");
  return job.verb === "createKey" ? createKey(work, job.marker, replyTo) : findKey(work, job.marker, replyTo);
}

/** Throws `KeyProblem` for what no signer may get, and for a key pair. */
function sharedSecret(fields: ReturnType<typeof spellFields>): FieldTexts {
  if ("problem" in fields) throw new KeyProblem("malformed", { hint: fields.problem });
  if (!isPrivateKey(fields.get("api_secret") ?? "")) return fields;
  throw new KeyProblem("unsupported", {
    hint: "It is a key pair; only keys with a shared secret are made.",
  });
}

/** One job under way at one venue. */
type KeyWork = Readonly<{
  issuing: KeyIssuing;
  session: KeySession;
  parent: FieldTexts;
  current: FieldTexts;
}>;

/**
 * Looks for the marker first, so that a creation whose answer was lost is never repeated. Throws
 * `KeyProblem`.
 */
async function createKey(work: KeyWork, marker: string, replyTo: Uint8Array): Promise<KeyAnswer> {
  const { issuing, session, current } = work;
  const account = await issuing.locate(session);
  const keys = await issuing.list(session, account);
  const earlier = keys.find((key) => key.marker === marker);
  if (earlier !== undefined) {
    return { outcome: "exists", sealed: seal(revocableFields(work, earlier), replyTo) };
  }
  const like = keys.find(({ apiKey }) => apiKey === current.get("api_key"));
  if (like === undefined) throw new KeyProblem("not_a_sub_account");
  const passphrase = passphraseIn(work, marker);
  const { apiKey, apiSecret } = await issuing.create(session, { account, like, marker, ...passphrase });
  const fields = { api_key: apiKey, api_secret: apiSecret, ...passphrase };
  return { outcome: "created", sealed: seal(fields, replyTo) };
}

/** Throws `KeyProblem`. */
async function findKey(work: KeyWork, marker: string, replyTo: Uint8Array): Promise<KeyAnswer> {
  const account = await work.issuing.locate(work.session);
  const found = (await work.issuing.list(work.session, account)).find((key) => key.marker === marker);
  return found === undefined
    ? { outcome: "absent" }
    : { outcome: "found", sealed: seal(revocableFields(work, found), replyTo) };
}

/** `revoked` once the venue no longer lists the key. Throws `KeyProblem`. */
async function revokeKey({ issuing, session }: KeyWork, key: FieldTexts): Promise<KeyAnswer> {
  const apiKey = key.get("api_key") ?? "";
  const account = await issuing.locate(session);
  const isListed = async () =>
    (await issuing.list(session, account)).some((listed) => listed.apiKey === apiKey);
  if (!(await isListed())) return { outcome: "absent" };
  try {
    await issuing.remove(session, account, { apiKey, passphrase: key.get("passphrase") });
  } catch (error) {
    // How venues refuse a key that was deleted meanwhile is hardly documented anywhere; the list knows.
    const isRefused = error instanceof KeyProblem && error.problem === "refused";
    if (isRefused && !(await isListed())) return { outcome: "absent" };
    throw error;
  }
  if (await isListed()) {
    throw new KeyProblem("unexpected_answer", { hint: "It still lists the deleted key." });
  }
  return { outcome: "revoked" };
}

/** What deleting the key takes. */
function revocableFields(work: KeyWork, { apiKey, marker }: ListedKey) {
  return { api_key: apiKey, ...passphraseIn(work, marker) };
}

/** Seals texts that a venue made to the serving process. */
function seal(texts: Readonly<Partial<Record<FieldName, string>>>, replyTo: Uint8Array): Uint8Array {
  const secrets = new Map(
    fieldNames.flatMap((name) => {
      const text = texts[name];
      return text === undefined ? [] : [[name, Secret.fromText(text)] as const];
    }),
  );
  try {
    return sealFields(secrets, replyTo);
  } finally {
    for (const secret of secrets.values()) secret[Symbol.dispose]();
  }
}

function passphraseIn({ issuing, parent }: KeyWork, marker: string): Readonly<{ passphrase?: string }> {
  if (issuing.passphrase === undefined) return {};
  const special = issuing.passphrase === "special";
  return { passphrase: passphraseOf(parent.get("api_secret") ?? "", marker, special) };
}

const derivedCharacters = 25;

/**
 * The passphrase of the key with this marker. Venues let the caller choose it, and KuCoin deletes a key only
 * for who knows it, so it must be known even when the answer to the creation was lost: it is derived from the
 * parent's secret and needs to be kept nowhere. Its venue learns it and nothing of that secret by it.
 *
 * 29 characters at most with 129 bits: an upper-case letter, lower-case letters and digits, and a special
 * character where `special` says so, which are the forms that OKX, KuCoin and Bitget ask for.
 */
export function passphraseOf(parentSecret: string, marker: string, special: boolean): string {
  const info = `keyhold passphrase 1\n${marker}`;
  const bytes = Buffer.from(hkdfSync("sha256", parentSecret, "", info, 32));
  const number = BigInt(`0x${bytes.toString("hex")}`) % 36n ** BigInt(derivedCharacters);
  const derived = number.toString(36).padStart(derivedCharacters, "0");
  return `Kh1${derived}${special ? "!" : ""}`;
}

type Who = "parent" | "current";

/** What a venue's refusal means, depending on whose key it was said to. */
const problems: Readonly<
  Record<Meaning, KeyProblem["problem"] | Readonly<Record<Who, KeyProblem["problem"]>>>
> = {
  bad_key: { parent: "parent_rejected", current: "current_rejected" },
  bad_signature: { parent: "parent_rejected", current: "current_rejected" },
  bad_passphrase: { parent: "parent_rejected", current: "current_rejected" },
  expired: { parent: "parent_rejected", current: "current_rejected" },
  revoked: { parent: "parent_rejected", current: "current_rejected" },
  wrong_environment: { parent: "parent_rejected", current: "current_rejected" },
  malformed: "malformed",
  ambiguous: { parent: "parent_rejected", current: "current_rejected" },
  insufficient_permission: { parent: "parent_lacks_permission", current: "current_rejected" },
  ip_not_allowed: { parent: "parent_ip_not_allowed", current: "current_rejected" },
  clock_skew: "clock_skew",
  nonce: "nonce",
  rate_limited: "rate_limited",
  venue_unavailable: "venue_unavailable",
  timeout: "timeout",
  blocked: "blocked",
  unexpected_answer: "unexpected_answer",
};

/** Signs with ccxt, sends, and reads each answer by the venue's own codes. */
async function openKeySession(
  setup: Readonly<{
    issuing: KeyIssuing;
    row: KnownExchange;
    mode: Mode;
    credentials: Readonly<Record<Who, FieldTexts>>;
    send: VenueCall["send"];
  }>,
): Promise<KeySession> {
  const { row, mode, credentials, send } = setup;
  const permit = await namedPermit(row.id, "keys");
  const open = (fields: FieldTexts) => openExchange(row.id, mode, { fields, send, permit });
  const parent = await open(credentials.parent);
  const current = await open(credentials.current);
  let parentAccepted = false;
  const problem = (failed: Parameters<typeof problemOf>[1], who: Who) =>
    problemOf(setup.issuing, failed, { who, parentAccepted });
  return {
    async asParent(request, { mayBeEmpty = false, encodeQuery = false } = {}) {
      const dialect = mayBeEmpty ? { ...row.dialect, complete: () => true } : row.dialect;
      const signed = sign(parent, request);
      const reading = read(dialect, await send(encodeQuery ? withEncodedQuery(signed, request) : signed));
      if (reading.kind !== "success") throw problem(reading, "parent");
      parentAccepted = true;
      return reading.json;
    },
    async asCurrent(request) {
      const reading = read(row.dialect, await send(sign(current, request)));
      if (reading.kind !== "success") throw problem(reading, "current");
      return reading.json;
    },
  };
}

function read(dialect: Dialect, answer: HttpAnswer): Interpretation {
  return answer.status === 204 ? { kind: "success", json: null } : interpret(dialect, answer);
}

function sign(exchange: Exchange, request: ApiRequest): HttpRequest {
  try {
    return signedRequest(exchange, request);
  } catch (error) {
    if (error instanceof Withheld) throw error;
    // Nothing but the credential can be at fault.
    throw new KeyProblem("malformed", { hint: "Nothing can be signed with it." });
  }
}

function withEncodedQuery(signed: HttpRequest, { params = {} }: ApiRequest): HttpRequest {
  const [base = ""] = signed.url.split("?");
  const query = Object.entries(params).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return { ...signed, url: `${base}?${query.join("&")}` };
}

function problemOf(
  { codes = {}, blurredCodes = [] }: KeyIssuing,
  { said, ...reading }: Exclude<Interpretation, { kind: "success" }>,
  { who, parentAccepted }: Readonly<{ who: Who; parentAccepted: boolean }>,
): KeyProblem {
  const { code = "" } = said;
  const own = Object.hasOwn(codes, code) ? codes[code] : undefined;
  if (own !== undefined) return new KeyProblem(own, said);
  if (who === "parent" && parentAccepted && blurredCodes.includes(code)) {
    const { hint: _hint, causes: _causes, ...plain } = said;
    return new KeyProblem("parent_lacks_permission", plain);
  }
  if (reading.kind === "refused") return new KeyProblem("refused", said);
  const problem = problems[reading.meaning];
  return new KeyProblem(typeof problem === "string" ? problem : problem[who], said);
}
