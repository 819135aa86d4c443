import { describe, expect, test } from "vitest";
import { TenantShares } from "../../../src/db/shares.ts";

/** Work of tenants that ends when the test says so. */
function crowd(shares: TenantShares) {
  const running: Readonly<{ tenant: string; end: () => void }>[] = [];
  const begin = (tenant: string): Promise<void> =>
    shares.within(tenant, () => new Promise<void>((resolve) => running.push({ tenant, end: resolve })));
  return {
    begin,
    tenants: () => running.map(({ tenant }) => tenant),
    /** Ends the work that has run longest. */
    end: async (): Promise<void> => {
      running.shift()?.end();
      await settled();
    },
    /** Ends all work, and what waits for it. */
    endAll: async (): Promise<void> => {
      while (running.length > 0) {
        running.shift()?.end();
        await settled();
      }
    },
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the connections of a pool", () => {
  test("are never all held by one tenant", async () => {
    const { begin, tenants, endAll } = crowd(new TenantShares({ connections: 6 }));
    const all = Array.from({ length: 20 }, () => begin("a"));
    await settled();
    expect(tenants()).toEqual(["a", "a", "a"]);
    void begin("b");
    await settled();
    expect(tenants(), "another tenant is served at once").toEqual(["a", "a", "a", "b"]);
    expect(all).toHaveLength(20);
    await endAll();
  });

  test("are all held by one tenant where its share is without a bound (control)", async () => {
    const { begin, tenants, endAll } = crowd(new TenantShares({ connections: 6, perTenant: Infinity }));
    for (let n = 0; n < 20; n += 1) void begin("a");
    void begin("b");
    await settled();
    expect(tenants()).toEqual(["a", "a", "a", "a", "a", "a"]);
    await endAll();
  });

  test("go to the waiting tenants in turn, however much one of them asks for", async () => {
    const { begin, tenants, end } = crowd(new TenantShares({ connections: 2, perTenant: 2 }));
    for (const tenant of ["a", "a", "a", "a", "a", "b", "c"]) void begin(tenant);
    await settled();
    const order: string[] = [];
    for (let n = 0; n < 7; n += 1) {
      order.push(tenants()[0] ?? "none");
      await end();
    }
    expect(order).toEqual(["a", "a", "a", "b", "c", "a", "a"]);
  });

  test("are free again after work that fails", async () => {
    const shares = new TenantShares({ connections: 1 });
    await expect(shares.within("a", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await shares.within("a", () => Promise.resolve("yes"))).toBe("yes");
  });

  test("are waited for by no more than a bound, and no longer than a while; both are said, and when to try again", async () => {
    const shares = new TenantShares({ connections: 2, waiting: 1, patience: 20 });
    const { begin } = crowd(shares);
    void begin("a");
    const second = begin("a");
    const refused = { code: "not_ready", facts: { retry_after_seconds: 1 } };
    await expect(begin("a"), "one too many").rejects.toMatchObject(refused);
    await expect(second, "too long").rejects.toMatchObject(refused);
    expect(await shares.within("b", () => Promise.resolve("unharmed"))).toBe("unharmed");
  });
});
