import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { updateMember } from "../../src/tenants/member.ts";
import { createWorld, type World } from "../../testkit/world.ts";

let world: World;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

async function activeOwners(tenantId: string): Promise<number> {
  const rows = await world.database.owner
    .selectFrom("members")
    .select("id")
    .where("tenant_id", "=", tenantId)
    .where("role", "=", "owner")
    .where("status", "=", "active")
    .execute();
  return rows.length;
}

describe("a tenant keeps an owner", () => {
  test("the last one can neither be suspended nor made something else, and not by himself", async () => {
    const { owner, addMember } = await world.createTenant();
    const { db } = world.custody;
    const refused = { code: "illegal_state" };
    await expect(updateMember(db, owner, owner.memberId, { status: "suspended" })).rejects.toMatchObject(
      refused,
    );
    await expect(updateMember(db, owner, owner.memberId, { role: "admin" })).rejects.toMatchObject(refused);
    const second = await addMember("owner");
    await updateMember(db, owner, second.memberId, { status: "suspended" });
    await expect(updateMember(db, owner, owner.memberId, { role: "viewer" })).rejects.toMatchObject(refused);
  });

  test("when two suspend each other at once, one of them stays", async () => {
    for (let round = 0; round < 10; round += 1) {
      const { id, owner, addMember } = await world.createTenant();
      const other = await addMember("owner");
      const { db } = world.custody;
      const both = await Promise.allSettled([
        updateMember(db, owner, other.memberId, { status: "suspended" }),
        updateMember(db, other, owner.memberId, { status: "suspended" }),
      ]);
      expect(both.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(await activeOwners(id)).toBe(1);
    }
  });
});
