import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StartError } from "../../../src/errors.ts";
import { assertBelongs, findKekId, learnKek, rememberKek } from "../../../src/key-encryption/installation.ts";
import type { KeyProvider } from "../../../src/key-encryption/key-provider.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";

let database: TestDatabase;

beforeEach(async () => {
  database = await createDatabase();
});
afterEach(() => database.drop());

/** A provider that has these keys, the newest first. */
function having(kekId: string, ...older: readonly string[]): KeyProvider {
  const never = () => Promise.reject(new Error("nothing is wrapped here"));
  return {
    kind: "file",
    kekId,
    knows: (other) => Promise.resolve([kekId, ...older].includes(other)),
    wrap: never,
    unwrap: never,
  };
}

const refusal = (provider: KeyProvider): Promise<string> =>
  assertBelongs(database.app, provider).then(
    () => "accepted",
    (error: unknown) => (error instanceof StartError ? error.message : String(error)),
  );

/** A tenant whose data key this key-encryption key wraps. */
async function tenantUnder(kekId: string): Promise<void> {
  const [tenant, key] = [randomUUID(), randomUUID()];
  await sql`insert into tenants (id, name) values (${tenant}, 'Northwind')`.execute(database.owner);
  await sql`insert into data_keys (tenant_id, id, use, kek_id, wrapped)
    values (${tenant}, ${key}, 'seal', ${kekId}, '')`.execute(database.owner);
}

describe("a database", () => {
  test("that knows no key learns the newest of the first start, once", async () => {
    expect(await findKekId(database.app)).toBeNull();
    expect(await refusal(having("one"))).toBe("accepted");
    expect(await findKekId(database.app), "to look at it changes nothing").toBeNull();
    await Promise.all([learnKek(database.app, having("one")), learnKek(database.app, having("one"))]);
    await learnKek(database.app, having("two"));
    expect(await findKekId(database.app)).toBe("one");
    expect(await refusal(having("two", "one"))).toBe("accepted");
    expect(await findKekId(database.app), "until all is wrapped by it").toBe("one");
    await rememberKek(database.app, "two");
    expect(await findKekId(database.app)).toBe("two");
  });

  test("that was sealed with another key stops the start, and names the key", async () => {
    await learnKek(database.app, having("one"));
    expect(await refusal(having("two"))).toMatch(
      /sealed with the key-encryption key one, .*Restore the right key/,
    );
    expect(await refusal(having("two", "one")), "the control").toBe("accepted");
  });

  test("whose keys were changed half-way needs both: beside either alone some secrets would not open", async () => {
    await learnKek(database.app, having("one"));
    await tenantUnder("one");
    await tenantUnder("two");
    expect(await refusal(having("one"))).toContain("the key-encryption key two");
    expect(await refusal(having("two"))).toContain("the key-encryption key one");
    expect(await refusal(having("two", "one"))).toBe("accepted");
  });

  test("is not accepted while the provider cannot tell", async () => {
    await learnKek(database.app, having("one"));
    const away = { ...having("one"), knows: () => Promise.reject(new Error("away")) };
    expect(await refusal(away)).toContain("away");
  });
});
