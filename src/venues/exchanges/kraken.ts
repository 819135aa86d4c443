import { z } from "zod";
import { asIs, type Ask, type KeyInformation, type KnownExchange } from "./exchange.ts";
import { permissionsOf, type Vocabulary } from "./permissions.ts";

// docs.kraken.com: "Get API Key Info", API key permissions, error messages, "Client order identifiers".

const vocabulary: Vocabulary = {
  "query-funds": ["read"],
  "query-open-trades": ["read"],
  "query-closed-trades": ["read"],
  "query-ledger": ["read"],
  "export-data": ["read"],
  "access-websockets": [],
  "add-funds": [],
  "modify-trades": ["trade"],
  "close-trades": ["trade"],
  "earn-funds": ["trade"],
  "withdraw-funds": ["withdraw"],
};

const answer = z.looseObject({
  result: z.looseObject({
    permissions: z.array(z.string()),
    validUntil: z.string().regex(/^\d+$/),
    ipAllowlist: z.array(z.string()),
  }),
});

function read(json: unknown): KeyInformation | undefined {
  const { data } = answer.safeParse(json);
  if (data === undefined) return undefined;
  const { permissions, validUntil, ipAllowlist } = data.result;
  const granted = permissionsOf(vocabulary, permissions, ipAllowlist);
  if (granted === undefined) return undefined;
  const seconds = Number(validUntil);
  return {
    // Funds move between Kraken's own wallets without a permission of that name.
    permissions: { ...granted, transfer: "unknown" },
    expiresAt: seconds === 0 ? null : new Date(seconds * 1000).toISOString(),
    account: {},
  };
}

const error = z.looseObject({ error: z.array(z.string()).min(1) });

/** `EGeneral:Permission denied:more` is of the same kind as without the last part. */
function errorCode([first = ""]: readonly string[]): string {
  return first.split(":").slice(0, 2).join(":");
}

const open = z.looseObject({ result: z.looseObject({ open: z.record(z.string(), z.looseObject({})) }) });
const closed = z.looseObject({ result: z.looseObject({ closed: z.record(z.string(), z.looseObject({})) }) });

async function find(ask: Ask, { clientOrderId }: { clientOrderId: string }): Promise<unknown> {
  const query = { cl_ord_id: clientOrderId };
  const lists = [
    async () => open.parse(await ask("privatePostOpenOrders", query)).result.open,
    async () => closed.parse(await ask("privatePostClosedOrders", query)).result.closed,
  ];
  for (const list of lists) {
    const [found] = Object.entries(await list());
    if (found !== undefined) return ask("parseOrder", { id: found[0], ...found[1] });
  }
  return null;
}

export const kraken: KnownExchange = {
  id: "kraken",
  environments: { live: "live" },
  reports: { permissions: true, boundIps: true, expiry: true, account: false },
  risingNonce: true,
  probes: () => [{ request: () => ({ api: "private", path: "GetApiKeyInfo", method: "POST" }), read }],
  dialect: {
    error(json) {
      const { data } = error.safeParse(json);
      return data && { code: errorCode(data.error), text: data.error.join(", ") };
    },
    complete: (json) => "error" in json && "result" in json,
    codes: {
      "EAPI:Invalid key": "bad_key",
      "EAPI:Invalid signature": "bad_signature",
      // No code of its own is documented for an address, and this one ends no key.
      "EGeneral:Permission denied": {
        meaning: "insufficient_permission",
        causes: ["permission", "address"],
      },
      "EAuth:Account temporary disabled": {
        meaning: "insufficient_permission",
        hint: "The account is temporarily disabled.",
      },
      "EAuth:Account unconfirmed": {
        meaning: "insufficient_permission",
        hint: "The account is not confirmed.",
      },
      "EAPI:Invalid nonce": "nonce",
      "EAPI:Rate limit exceeded": "rate_limited",
      "EAuth:Rate limit exceeded": "rate_limited",
      "EAuth:Too many requests": "rate_limited",
      "EGeneral:Temporary lockout": "rate_limited",
      "EOrder:Rate limit exceeded": "rate_limited",
      "EAPI:Feature disabled": "venue_unavailable",
      "EGeneral:Internal error": "venue_unavailable",
      "EService:Unavailable": "venue_unavailable",
      "EService:Busy": "venue_unavailable",
    },
  },
  clientOrderIds: { option: "clientOrderId", format: asIs, find, absentCodes: [] },
  fields: { api_secret: { otherwise: "base64" } },
  // It moves money from the spot wallet only; the way back goes through the exchange `krakenfutures`.
  requests: { tables: ["kraken"], transferAccounts: ["spot", "swap", "future"] },
};
