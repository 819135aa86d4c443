import type { VenueCall } from "../adapter.ts";
import type { KnownExchange, Mode } from "../exchanges/exchange.ts";
import { type KeyIssuing, KeyProblem, type KeySession } from "../exchanges/key-issuing.ts";
import type { ApiRequest } from "../exchanges/request-table.ts";
import { type Dialect, interpret, type Interpretation } from "../interpret.ts";
import type { Meaning } from "../outcomes.ts";
import { type HttpAnswer, type HttpRequest, Withheld } from "../process/bounded-fetch.ts";
import type { FieldTexts } from "../process/spell.ts";
import { openExchange, signedRequest } from "./exchange.ts";
import { namedPermit } from "./gate.ts";
import type { Exchange } from "./instance.ts";

type Who = "parent" | "current";
type Problem = KeyProblem["problem"];

/** What a venue's refusal means, depending on whose key it was said to. */
const problems: Readonly<Record<Meaning, Problem | Readonly<Record<Who, Problem>>>> = {
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
export async function openKeySession(
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
  const problem = (failed: Failed, who: Who) => problemOf(setup.issuing, failed, { who, parentAccepted });
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

type Failed = Exclude<Interpretation, { kind: "success" }>;

function problemOf(
  { codes = {}, blurredCodes = [] }: KeyIssuing,
  { said, ...reading }: Failed,
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
