import { z } from "zod";
import { allPages, demandInheritable, type KeyDriver } from "../exchanges/key-issuing.ts";

// bitget.com/api-doc/uta/account: "Get Account Info", and sub-account/SubAccount-API-Create, -Get and -Delete. Keys of
// classic accounts can be made by API (v2) and never deleted, so they are left to a person.

const givable = new Set(["uta_mgt", "uta_trade"]);

const information = z.looseObject({ data: z.looseObject({ userId: z.string() }) });

const page = z.looseObject({
  data: z.looseObject({
    items: z.array(
      z.looseObject({
        apiKey: z.string(),
        note: z.string().nullable(),
        type: z.enum(["read_write", "read_only"]),
        permissions: z.array(z.string()),
        ips: z.array(z.string()).nullable(),
      }),
    ),
    // Documented as text, shown as a truth value.
    hasNext: z.union([z.boolean(), z.enum(["true", "false"])]),
    cursor: z.string().nullish(),
  }),
});

const created = z.looseObject({ data: z.looseObject({ apiKey: z.string(), secret: z.string().min(1) }) });

export const bitget: KeyDriver = {
  venue: "bitget",
  environments: ["live"],
  // Documented for classic accounts.
  longestMarker: 20,
  settlesAfterMs: 30_000,
  passphrase: "alphanumeric",
  // "You are in Classic Account mode."
  codes: { "40084": "unsupported" },
  async locate(session) {
    const { data } = information.parse(
      await session.asCurrent({ api: ["private", "uta"], path: "v3/account/info", method: "GET" }),
    );
    return data.userId;
  },
  list: (session, account) =>
    allPages(async (cursor: string | undefined) => {
      const params = { subUid: account, limit: "100", ...(cursor === undefined ? {} : { cursor }) };
      const { data } = page.parse(
        await session.asParent({
          api: ["private", "uta"],
          path: "v3/user/sub-api-list",
          method: "GET",
          params,
        }),
      );
      const items = data.items.map(({ apiKey, note, type, permissions, ips }) => ({
        apiKey,
        marker: note ?? "",
        rights() {
          demandInheritable(permissions, givable);
          return { type, permissions, ips: ips ?? [] };
        },
      }));
      return { items, next: String(data.hasNext) === "true" ? (data.cursor ?? undefined) : undefined };
    }),
  async create(session, { account, like, marker, passphrase }) {
    const params = { subUid: account, note: marker, passphrase, ...like.rights() };
    const { data } = created.parse(
      await session.asParent({
        api: ["private", "uta"],
        path: "v3/user/create-sub-api",
        method: "POST",
        params,
      }),
    );
    return { apiKey: data.apiKey, apiSecret: data.secret };
  },
  async remove(session, _account, { apiKey }) {
    const params = { apiKey };
    await session.asParent({
      api: ["private", "uta"],
      path: "v3/user/delete-sub-api",
      method: "POST",
      params,
    });
  },
};
