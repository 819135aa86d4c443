import type { Outcome, Rejected } from "../../../src/venues/verdict.ts";

/** One answer of a venue to the key-information call, and what it must be taken for. */
export type Refusal = Readonly<{
  venue: string;
  status: number;
  body: unknown;
  means: Outcome | Rejected["reason"];
}>;

type Line = readonly [means: Refusal["means"], status: number, body: unknown];

const at = (venue: string, lines: readonly Line[]): Refusal[] =>
  lines.map(([means, status, body]) => ({ venue, status, body, means }));

const binance = (code: number, status = 400) => [status, { code, msg: `text of ${code}` }] as const;
const bybit = (retCode: number, status = 200) =>
  [status, { retCode, retMsg: `text of ${retCode}`, result: {} }] as const;
const okx = (code: string, status = 401) => [status, { code, msg: `text of ${code}`, data: [] }] as const;
const kraken = (error: string) => [200, { error: [error] }] as const;
const kucoin = (code: string, status = 401) =>
  [status, { code, msg: code === "400302" ? "Not available in your region." : `text of ${code}` }] as const;
const bitget = (code: string, status = 400) =>
  [status, { code, msg: `text of ${code}`, data: null }] as const;
const gate = (label: string, status = 401) => [status, { label, message: `text of ${label}` }] as const;
const mexc = (code: number, status = 400) => [status, { code, msg: `text of ${code}` }] as const;

export const refusals: readonly Refusal[] = [
  ...at("binance", [
    ["bad_key", ...binance(-2014, 401)],
    ["bad_key", ...binance(-2008, 401)],
    ["ambiguous", ...binance(-2015, 401)],
    ["ambiguous", ...binance(-1099, 401)],
    ["ambiguous", ...binance(-9998, 401)],
    ["insufficient_permission", ...binance(-2017, 401)],
    ["blocked", 451, { code: 0, msg: "Service unavailable from a restricted location" }],
    ["bad_signature", ...binance(-1022)],
    ["insufficient_permission", ...binance(-1002, 401)],
    ["ip_not_allowed", ...binance(-1005, 401)],
    ["clock_skew", ...binance(-1021)],
    ["rate_limited", ...binance(-1003, 429)],
    ["rate_limited", ...binance(-1003, 418)],
    ["venue_unavailable", ...binance(-1001, 503)],
    ["venue_unavailable", ...binance(-1007, 408)],
    ["unexpected_answer", ...binance(-9999)],
  ]),
  ...at("bybit", [
    ["bad_key", ...bybit(10003)],
    ["bad_key", ...bybit(10003, 401)],
    ["bad_signature", ...bybit(10004)],
    ["ambiguous", ...bybit(10007)],
    ["ambiguous", ...bybit(-2015)],
    ["expired", ...bybit(33004)],
    ["insufficient_permission", ...bybit(10005)],
    ["insufficient_permission", ...bybit(10008)],
    ["ip_not_allowed", ...bybit(10009)],
    ["ip_not_allowed", ...bybit(10010)],
    ["clock_skew", ...bybit(10002)],
    ["rate_limited", ...bybit(10006)],
    ["venue_unavailable", ...bybit(10016)],
    ["blocked", ...bybit(10024)],
    ["blocked", 403, "<html><title>403</title>The distribution blocks access from your country.</html>"],
    ["blocked", 403, "<html>403</html>"],
    ["rate_limited", 403, "403, access too frequent. Please stop all HTTP sessions."],
    ["unexpected_answer", ...bybit(99999)],
    ["ambiguous", 401, ""],
  ]),
  ...at("okx", [
    ["bad_key", ...okx("50111")],
    ["bad_key", ...okx("50119")],
    ["bad_signature", ...okx("50113")],
    ["bad_passphrase", ...okx("50105")],
    ["ambiguous", ...okx("50114")],
    ["wrong_environment", ...okx("50101")],
    ["insufficient_permission", ...okx("50030", 200)],
    ["insufficient_permission", ...okx("50035", 400)],
    ["insufficient_permission", ...okx("50100")],
    ["insufficient_permission", ...okx("50120")],
    ["ip_not_allowed", ...okx("50110")],
    ["blocked", ...okx("50121", 403)],
    ["clock_skew", ...okx("50102")],
    ["clock_skew", ...okx("50112")],
    ["rate_limited", ...okx("50011", 429)],
    ["venue_unavailable", ...okx("50001", 503)],
    ["unexpected_answer", ...okx("59999", 200)],
  ]),
  ...at("kraken", [
    ["bad_key", ...kraken("EAPI:Invalid key")],
    ["bad_signature", ...kraken("EAPI:Invalid signature")],
    ["nonce", ...kraken("EAPI:Invalid nonce")],
    ["insufficient_permission", ...kraken("EGeneral:Permission denied")],
    ["insufficient_permission", ...kraken("EGeneral:Permission denied:more")],
    ["insufficient_permission", ...kraken("EAuth:Account temporary disabled")],
    ["insufficient_permission", ...kraken("EAuth:Account unconfirmed")],
    ["rate_limited", ...kraken("EAuth:Too many requests")],
    ["rate_limited", ...kraken("EAuth:Rate limit exceeded")],
    ["rate_limited", ...kraken("EAPI:Rate limit exceeded")],
    ["rate_limited", ...kraken("EGeneral:Temporary lockout")],
    ["venue_unavailable", ...kraken("EAPI:Feature disabled")],
    ["venue_unavailable", ...kraken("EService:Unavailable")],
    ["unexpected_answer", ...kraken("EQuery:Something new")],
  ]),
  ...at("coinbase", [
    ["ambiguous", 401, "Unauthorized\n"],
    ["ambiguous", 401, { error: "unauthenticated" }],
    ["ambiguous", 200, { error: "unauthenticated" }],
    ["ambiguous", 401, { errors: [{ id: "authentication_error", message: "invalid api key" }] }],
    ["clock_skew", 401, { errors: [{ id: "expired_token", message: "The access token expired" }] }],
    ["revoked", 401, { errors: [{ id: "revoked_token", message: "The access token was revoked" }] }],
    ["insufficient_permission", 403, { error: "PERMISSION_DENIED", message: "Missing required scopes" }],
    ["rate_limited", 429, { error: "RESOURCE_EXHAUSTED", message: "too many" }],
    ["unexpected_answer", 400, { error: "SOMETHING_NEW" }],
  ]),
  ...at("kucoin", [
    ["bad_key", ...kucoin("400003")],
    ["bad_passphrase", ...kucoin("400004")],
    ["blocked", ...kucoin("400302", 200)],
    ["bad_signature", ...kucoin("400005")],
    ["ip_not_allowed", ...kucoin("400006")],
    ["insufficient_permission", ...kucoin("400007", 403)],
    ["insufficient_permission", ...kucoin("411100", 403)],
    ["clock_skew", ...kucoin("400002", 400)],
    ["rate_limited", ...kucoin("429000", 429)],
    ["rate_limited", ...kucoin("429000", 200)],
    ["unexpected_answer", ...kucoin("400001")],
    ["unexpected_answer", ...kucoin("999999", 200)],
    ["ambiguous", ...kucoin("999999", 401)],
  ]),
  ...at("bitget", [
    ["bad_key", ...bitget("40006")],
    ["bad_key", ...bitget("40037")],
    ["bad_signature", ...bitget("40009")],
    ["bad_passphrase", ...bitget("40012")],
    ["bad_passphrase", ...bitget("40036")],
    ["wrong_environment", ...bitget("40099")],
    ["insufficient_permission", ...bitget("40014", 403)],
    ["insufficient_permission", ...bitget("40013")],
    ["ip_not_allowed", ...bitget("40018", 403)],
    ["ip_not_allowed", ...bitget("40038", 403)],
    ["clock_skew", ...bitget("40005")],
    ["clock_skew", ...bitget("40008")],
    ["rate_limited", ...bitget("429", 429)],
    ["venue_unavailable", ...bitget("40015")],
    ["unexpected_answer", ...bitget("40085")],
    ["unexpected_answer", ...bitget("49999", 200)],
  ]),
  ...at("gate", [
    ["bad_key", ...gate("INVALID_KEY")],
    ["bad_signature", ...gate("INVALID_SIGNATURE")],
    ["ambiguous", ...gate("AUTHENTICATION_FAILED")],
    ["ip_not_allowed", ...gate("IP_FORBIDDEN", 403)],
    ["clock_skew", ...gate("REQUEST_EXPIRED", 403)],
    ["insufficient_permission", ...gate("READ_ONLY", 403)],
    ["insufficient_permission", ...gate("FORBIDDEN", 403)],
    ["insufficient_permission", ...gate("ACCOUNT_LOCKED", 403)],
    ["rate_limited", ...gate("TOO_MANY_REQUESTS", 429)],
    ["venue_unavailable", ...gate("SERVER_ERROR", 500)],
    ["unexpected_answer", ...gate("SOMETHING_NEW", 400)],
  ]),
  ...at("mexc", [
    ["bad_key", ...mexc(10072)],
    ["bad_key", ...mexc(700001)],
    ["bad_signature", ...mexc(700002)],
    ["expired", ...mexc(402)],
    ["ambiguous", ...mexc(401)],
    ["insufficient_permission", ...mexc(702, 403)],
    ["insufficient_permission", ...mexc(700007, 403)],
    ["ip_not_allowed", ...mexc(700006)],
    ["ip_not_allowed", ...mexc(406)],
    ["clock_skew", ...mexc(700003)],
    ["clock_skew", ...mexc(10073)],
    ["rate_limited", ...mexc(429, 429)],
    ["unexpected_answer", ...mexc(999999)],
  ]),
  ...at("alpaca", [
    ["bad_key", 401, { message: "unauthorized." }],
    ["bad_key", 401, { code: 40110000, message: "access key verification failed" }],
    ["bad_key", 401, { code: 40110000, message: "request is not authorized" }],
    ["bad_key", 401, "<html>401</html>"],
    ["bad_key", 401, ""],
    ["ambiguous", 403, { message: "forbidden." }],
    ["insufficient_permission", 403, { code: 40310000, message: "not allowed" }],
    ["rate_limited", 429, { code: 42910000, message: "rate limit exceeded" }],
    ["blocked", 403, "<html>403</html>"],
    ["unexpected_answer", 404, { code: 40410000, message: "not found" }],
  ]),
  ...at("massive", [
    ["bad_key", 401, { status: "ERROR", request_id: "1", error: "Unknown API Key" }],
    ["bad_key", 401, { status: "ERROR", request_id: "1", error: "API Key was not provided" }],
    ["insufficient_permission", 403, { status: "NOT_AUTHORIZED", message: "You are not entitled" }],
    ["rate_limited", 429, { status: "ERROR", error: "You've exceeded the maximum requests per minute" }],
    ["unexpected_answer", 404, { status: "NOT_FOUND", message: "Not found" }],
  ]),
];
