import { z } from "zod";
import { listOf } from "../exchanges/permissions.ts";
import { demandInheritable, type KeyDriver, KeyProblem } from "../exchanges/key-issuing.ts";

// kucoin.com/docs-new: "Get Apikey Info", "Add sub-account API" (api-3470138), "Get sub-account API List"
// (api-3470136), "Delete sub-account API" (api-3470137).

const givable = new Set(["General", "Spot", "Margin", "Futures", "InnerTransfer"]);

const information = z.looseObject({
  data: z.looseObject({ isMaster: z.boolean(), subName: z.string().optional() }),
});

const keys = z.looseObject({
  data: z.array(
    z.looseObject({
      apiKey: z.string(),
      remark: z.string(),
      permission: z.string(),
      ipWhitelist: z.string().nullish(),
    }),
  ),
});

const created = z.looseObject({
  data: z.looseObject({ apiKey: z.string(), apiSecret: z.string().min(1) }),
});

function rightsOf(key: z.infer<typeof keys>["data"][number]): object {
  const words = listOf(key.permission);
  demandInheritable(words, givable);
  const addresses = listOf(key.ipWhitelist ?? "");
  return {
    permission: words.join(","),
    ...(addresses.length === 0 ? {} : { ipWhitelist: addresses.join(",") }),
  };
}

export const kucoin: KeyDriver = {
  venue: "kucoin",
  environments: ["live"],
  longestMarker: 24,
  settlesAfterMs: 5000,
  passphrase: "alphanumeric",
  async locate(session) {
    const { data } = information.parse(
      await session.asCurrent({ api: "private", path: "user/api-key", method: "GET" }),
    );
    if (data.isMaster || data.subName === undefined) throw new KeyProblem("not_a_sub_account");
    return data.subName;
  },
  async list(session, account) {
    const params = { subName: account };
    const { data } = keys.parse(
      await session.asParent({ api: "private", path: "sub/api-key", method: "GET", params }),
    );
    return data.map((key) => ({ apiKey: key.apiKey, marker: key.remark, rights: () => rightsOf(key) }));
  },
  async create(session, { account, like, marker, passphrase }) {
    const params = { subName: account, passphrase, remark: marker, ...like.rights() };
    const { data } = created.parse(
      await session.asParent({ api: "private", path: "sub/api-key", method: "POST", params }),
    );
    return { apiKey: data.apiKey, apiSecret: data.apiSecret };
  },
  async remove(session, account, { apiKey, passphrase }) {
    if (passphrase === undefined) {
      throw new KeyProblem("malformed", { hint: "A key is deleted with its passphrase, which is missing." });
    }
    const params = { subName: account, apiKey, passphrase };
    // A passphrase that a person chose may hold any character. Signed is what is not yet encoded (Kucoin's own SDK).
    const request = { api: "private", path: "sub/api-key", method: "DELETE", params };
    await session.asParent(request, { encodeQuery: true });
  },
};
