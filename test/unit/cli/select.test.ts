import { describe, expect, test } from "vitest";
import { createClient } from "../../../client/index.ts";
import { idOf } from "../../../src/cli/select.ts";

const ids = [
  "9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33",
  "9b6f77aa-5c1d-4b2e-9f00-0d0c0b0a0908",
  "3f8a0f6e-21a5-4b0c-9d52-6c0f4f1b7a10",
] as const;
const account = (id: string, name: string) => ({ id, name });
const credential = (id: string, label: string, status = "active") => ({
  id,
  venue: "okx",
  environment: "live",
  label,
  status,
});

/** A caller who sees these things of every kind; `asked` is what was read. */
function seeing(items: readonly object[]) {
  const asked: string[] = [];
  const fetch = async ({ url }: Request): Promise<Response> => {
    asked.push(url);
    return Response.json({ items, next_cursor: null, count: items.length });
  };
  const api = createClient({ baseUrl: "http://keyhold", token: "t", fetch });
  return { asked, cli: { api: async () => api } };
}

describe("what a person names is found", () => {
  const accounts = [account(ids[0], "Main"), account(ids[1], "main"), account(ids[2], "Desk 7")];

  test.for([
    ["a name", "Desk 7", ids[2]],
    ["a name in other letters", "DESK 7", ids[2]],
    ["a name that another one has in other letters", "Main", ids[0]],
    ["the beginning of an id", "3f8a", ids[2]],
    ["a longer beginning of an id", "9B6F7", ids[1]],
  ] as const)("by %s", async ([, text, id]) => {
    expect(await idOf(seeing(accounts).cli, "account", text)).toBe(id);
  });

  test("by its id, and nothing is read", async () => {
    const { cli, asked } = seeing(accounts);
    expect(await idOf(cli, "account", ids[1])).toBe(ids[1]);
    expect(asked).toEqual([]);
  });

  test.for([
    ["the beginning of several ids", "9b6f", /may be any of 2 accounts/],
    ["a name of several", "MAIN", /may be any of 2 accounts/],
    ["less than the beginning of an id", "3f8", /there is no account 3f8/],
    ["no name of any", "Treasury", /there is no account Treasury/],
  ] as const)("but not by %s: that is refused", async ([, text, message]) => {
    await expect(idOf(seeing(accounts).cli, "account", text)).rejects.toThrow(message);
  });

  test("and a refusal names what was meant, or might be", async () => {
    await expect(idOf(seeing(accounts).cli, "account", "Dest 7")).rejects.toMatchObject({
      failure: "usage",
      hint: "did you mean Desk 7?",
    });
    await expect(idOf(seeing(accounts).cli, "account", "9b6f")).rejects.toMatchObject({
      failure: "usage",
      detail: `${ids[0]} (Main); ${ids[1]} (main)`,
    });
  });
});

describe("a credential", () => {
  test.for([
    ["spot", ids[0]],
    ["okx/spot", ids[0]],
    ["okx/live/swap", ids[1]],
  ] as const)("is named by %s", async ([text, id]) => {
    const credentials = [credential(ids[0], "spot"), credential(ids[1], "swap")];
    expect(await idOf(seeing(credentials).cli, "credential", text)).toBe(id);
    await expect(idOf(seeing(credentials).cli, "credential", "okx")).rejects.toThrow(/any of 2 credentials/);
  });

  test("leaves its short names to another one when it is revoked", async () => {
    const credentials = [credential(ids[0], "spot", "revoked"), credential(ids[1], "spot")];
    expect(await idOf(seeing(credentials).cli, "credential", "okx")).toBe(ids[1]);
    await expect(idOf(seeing(credentials).cli, "credential", "okx/live/spot")).rejects.toThrow(/any of 2/);
  });
});
