import { z } from "zod";
import { ambiguous } from "../interpret.ts";
import { listOf, permissionsOf } from "./permissions.ts";
import { asIs, type ExchangeRow, findByOption, type KeyInformation } from "./exchange.ts";

// okx.com/docs-v5: "Get account configuration", "API key creation", error codes, "Order details".

const answer = z.looseObject({
  data: z.tuple([z.looseObject({ uid: z.string(), perm: z.string().min(1), ip: z.string() })]),
});

function read(json: unknown): KeyInformation | undefined {
  const { data } = answer.safeParse(json);
  if (data === undefined) return undefined;
  const [{ uid, perm, ip }] = data.data;
  // Moving funds between own accounts goes with the right to trade.
  const vocabulary = { read_only: ["read"], trade: ["trade", "transfer"], withdraw: ["withdraw"] } as const;
  const permissions = permissionsOf(vocabulary, listOf(perm), listOf(ip));
  if (permissions === undefined) return undefined;
  return {
    permissions,
    expiresAt: null,
    account: { id: uid },
  };
}

const error = z.looseObject({
  code: z.string(),
  msg: z.string().optional(),
  data: z.array(z.looseObject({ sCode: z.string().optional(), sMsg: z.string().optional() })).optional(),
});

export const okx: ExchangeRow = {
  id: "okx",
  environments: { live: "live", paper: "sandbox" },
  tells: { permissions: true, boundIps: true, expiry: false, account: true },
  risingNonce: false,
  probes: () => [{ request: () => ({ api: "private", path: "account/config", method: "GET" }), read }],
  dialect: {
    error(json) {
      const { data } = error.safeParse(json);
      if (data === undefined || data.code === "0") return undefined;
      // An action's own reason stands inside, under a general "all operations failed".
      const [part] = data.data ?? [];
      const text = part?.sMsg ?? data.msg;
      return { code: part?.sCode ?? data.code, ...(text === undefined ? {} : { text }) };
    },
    complete: (json) => "code" in json && "data" in json && Array.isArray(json.data),
    codes: {
      "50111": "bad_key",
      "50119": "bad_key",
      "50113": "bad_signature",
      "50105": "bad_passphrase",
      // "Invalid authorization."
      "50114": ambiguous("key", "secret", "permission"),
      "50101": "wrong_environment",
      "50030": "insufficient_permission",
      "50035": {
        meaning: "insufficient_permission",
        hint: "This call needs a key that is bound to an address.",
      },
      "50007": { meaning: "insufficient_permission", hint: "The account is blocked." },
      "50027": { meaning: "insufficient_permission", hint: "The account is restricted from trading." },
      "50100": { meaning: "insufficient_permission", hint: "The account's access to the API is frozen." },
      "50120": "insufficient_permission",
      "50110": "ip_not_allowed",
      "50102": "clock_skew",
      "50112": "clock_skew",
      "50011": "rate_limited",
      "50061": "rate_limited",
      "50001": "venue_unavailable",
      "50004": "venue_unavailable",
      "50013": "venue_unavailable",
      "50026": "venue_unavailable",
      "50121": "blocked",
    },
  },
  clientOrderIds: { option: "clientOrderId", format: asIs, find: findByOption, absentCodes: ["51603"] },
};
