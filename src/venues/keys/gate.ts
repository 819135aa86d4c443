import { z } from "zod";
import { demandInheritable, type KeyDriver } from "../exchanges/key-issuing.ts";

// gate.com/docs/developers/apiv4, "SubAccount": list, create and delete the API key pairs of a sub-account.

const givable = new Set([
  "wallet",
  "spot",
  "futures",
  "delivery",
  "earn",
  "custody",
  "options",
  "account",
  "loan",
  "margin",
  "unified",
  "copy",
]);

const detail = z.looseObject({ user_id: z.number() });

const keys = z.array(
  z.looseObject({
    key: z.string(),
    name: z.string().nullish(),
    mode: z.number(),
    perms: z.array(z.looseObject({ name: z.string(), read_only: z.boolean().optional() })),
    ip_whitelist: z.array(z.string()).nullish(),
  }),
);

const created = z.looseObject({ key: z.string(), secret: z.string().min(1) });

const api = ["private", "subAccounts"];

function rightsOf({ mode, perms, ip_whitelist }: z.infer<typeof keys>[number]): object {
  demandInheritable(
    perms.map(({ name }) => name),
    givable,
  );
  return {
    mode,
    perms: perms.map(({ name, read_only = false }) => ({ name, read_only })),
    ip_whitelist: ip_whitelist ?? [],
  };
}

export const gate: KeyDriver = {
  venue: "gate",
  environments: ["live"],
  // How long a name may be is not documented.
  longestMarker: 20,
  settlesAfterMs: 60_000,
  codes: { SUB_ACCOUNT_NOT_FOUND: "not_a_sub_account" },
  async locate(session) {
    const answer = await session.asCurrent({ api: ["private", "account"], path: "detail", method: "GET" });
    return String(detail.parse(answer).user_id);
  },
  async list(session, account) {
    const params = { user_id: account };
    const answer = await session.asParent({
      api,
      path: "sub_accounts/{user_id}/keys",
      method: "GET",
      params,
    });
    return keys
      .parse(answer)
      .map((key) => ({ apiKey: key.key, marker: key.name ?? "", rights: () => rightsOf(key) }));
  },
  async create(session, { account, like, marker }) {
    const params = { user_id: account, name: marker, ...like.rights() };
    const answer = await session.asParent({
      api,
      path: "sub_accounts/{user_id}/keys",
      method: "POST",
      params,
    });
    const { key, secret } = created.parse(answer);
    return { apiKey: key, apiSecret: secret };
  },
  async remove(session, account, { apiKey }) {
    const params = { user_id: account, key: apiKey };
    await session.asParent({ api, path: "sub_accounts/{user_id}/keys/{key}", method: "DELETE", params });
  },
};
