import { z } from "zod";
import { listOf } from "../exchanges/permissions.ts";
import { allPages, demandInheritable, type KeyDriver, KeyProblem } from "../exchanges/key-issuing.ts";

// okx.com/docs-v5, "Sub-account": sub-account list; create, query and delete the API key of a sub-account; error codes
// 59500 to 59508.

const givable = new Set(["read_only", "trade"]);

const configuration = z.looseObject({
  data: z.tuple([z.looseObject({ uid: z.string(), mainUid: z.string() })]),
});

const subAccounts = z.looseObject({
  data: z.array(z.looseObject({ subAcct: z.string(), uid: z.string(), ts: z.string() })),
});
const subAccountsPerPage = 100;

const keys = z.looseObject({
  data: z.array(z.looseObject({ apiKey: z.string(), label: z.string(), perm: z.string(), ip: z.string() })),
});

const created = z.looseObject({
  data: z.tuple([z.looseObject({ apiKey: z.string(), secretKey: z.string().min(1) })]),
});

function rightsOf({ perm, ip }: Readonly<{ perm: string; ip: string }>): object {
  const words = listOf(perm);
  demandInheritable(words, givable);
  return { perm: words.join(","), ...(ip === "" ? {} : { ip }) };
}

export const okx: KeyDriver = {
  venue: "okx",
  // Demo trading has no sub-accounts.
  environments: ["live"],
  // How long a note may be is not documented.
  longestMarker: 20,
  settlesAfterMs: 30_000,
  passphrase: "special",
  codes: {
    // Only keys of the main account may manage keys.
    "59500": "parent_lacks_permission",
    // "Only 50 APIKeys can be created per account."
    "59501": "limit_reached",
  },
  async locate(session) {
    const config = await session.asCurrent({ api: "private", path: "account/config", method: "GET" });
    const [{ uid, mainUid }] = configuration.parse(config).data;
    if (uid === mainUid) throw new KeyProblem("not_a_sub_account");
    // Keys are managed by the sub-account's name, which only its main account is told.
    const all = await allPages(async (after: string | undefined) => {
      const params = { limit: String(subAccountsPerPage), ...(after === undefined ? {} : { after }) };
      const { data } = subAccounts.parse(
        await session.asParent({ api: "private", path: "users/subaccount/list", method: "GET", params }),
      );
      return { items: data, next: data.length < subAccountsPerPage ? undefined : data.at(-1)?.ts };
    });
    const found = all.find((account) => account.uid === uid);
    if (found === undefined) throw new KeyProblem("not_a_sub_account");
    return found.subAcct;
  },
  async list(session, account) {
    const params = { subAcct: account };
    const { data } = keys.parse(
      await session.asParent({ api: "private", path: "users/subaccount/apikey", method: "GET", params }),
    );
    return data.map((key) => ({ apiKey: key.apiKey, marker: key.label, rights: () => rightsOf(key) }));
  },
  async create(session, { account, like, marker, passphrase }) {
    const params = { subAcct: account, label: marker, passphrase, ...like.rights() };
    const [{ apiKey, secretKey }] = created.parse(
      await session.asParent({ api: "private", path: "users/subaccount/apikey", method: "POST", params }),
    ).data;
    return { apiKey, apiSecret: secretKey };
  },
  async remove(session, account, { apiKey }) {
    const params = { subAcct: account, apiKey };
    await session.asParent({
      api: "private",
      path: "users/subaccount/delete-apikey",
      method: "POST",
      params,
    });
  },
};
