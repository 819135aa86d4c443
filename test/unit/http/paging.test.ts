import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Cursors, type CursorScope } from "../../../src/http/paging.ts";
import { signer } from "../../../src/http/sign.ts";

const mac = (tenantId: string, purpose: string, bytes: Uint8Array): Promise<Uint8Array> =>
  Promise.resolve(createHmac("sha256", `${tenantId} ${purpose}`).update(bytes).digest());
const cursors = new Cursors(signer(mac));

const scope = { tenantId: "t1", list: "credentials", filter: { venue: "binance", status: "active" } };
const position = z.tuple([z.string(), z.int()]);

async function refusal(where: CursorScope, cursor: string): Promise<unknown> {
  return cursors.open(where, cursor, position).catch((error: unknown) => error);
}

describe("a cursor", () => {
  it("leads back to the position that it was made for, however the filter is ordered", async () => {
    const cursor = await cursors.seal(scope, ["2026-11-20", 7]);

    expect(await cursors.open(scope, cursor, position)).toEqual(["2026-11-20", 7]);
    expect(
      await cursors.open({ ...scope, filter: { status: "active", venue: "binance" } }, cursor, position),
    ).toEqual(["2026-11-20", 7]);
  });

  it.each([
    ["another tenant", { ...scope, tenantId: "t2" }],
    ["the operator", { ...scope, tenantId: null }],
    ["another list", { ...scope, list: "accounts" }],
    ["another filter", { ...scope, filter: { venue: "kraken", status: "active" } }],
    ["no filter", { ...scope, filter: {} }],
  ])("is of no use for %s", async (_, where) => {
    expect(await refusal(where, await cursors.seal(scope, ["2026-11-20", 7]))).toMatchObject({
      code: "malformed",
    });
  });

  it("is refused when any of its characters was changed", async () => {
    const cursor = await cursors.seal(scope, ["2026-11-20", 7]);
    const changed = Array.from(
      cursor,
      (letter, at) => cursor.slice(0, at) + (letter === "A" ? "B" : "A") + cursor.slice(at + 1),
    );
    const refusals = await Promise.all(changed.map((text) => refusal(scope, text)));

    for (const outcome of refusals) expect(outcome).toMatchObject({ code: "malformed" });
  });

  it.each(["", ".", "a", "a.b", "a.b.c", "💥.💥", `${"A".repeat(1000)}.AAAA`])(
    "is refused that is none: %s",
    async (text) => {
      expect(await refusal(scope, text)).toMatchObject({ code: "malformed" });
    },
  );

  it("is refused when what it points to is of another kind", async () => {
    expect(await refusal(scope, await cursors.seal(scope, { id: 1 }))).toMatchObject({ code: "malformed" });
  });
});
