import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { verifyChain } from "../../src/audit/chain.ts";
import { exportChain } from "../../src/audit/export.ts";
import { readEvents } from "../../src/audit/search.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let accountId: string;

beforeAll(async () => {
  world = await createWorld();
  tenant = await world.createTenant();
  owner = tenant.owner;
  accountId = await world.createAccount(owner);
});
afterAll(() => world.close());

describe("the life of a credential", () => {
  test("goes from register over use, reveal and replacement to its end, with every step in an intact record", async () => {
    const { custody } = world;
    const first = world.simulator.control.addKey("binance");
    const fields = secretFields({ api_key: first.apiKey, api_secret: first.apiSecret });

    const credential = await register(custody, owner, {
      accountId,
      venue: "binance",
      environment: "live",
      fields,
    });
    expect(credential).toMatchObject({ status: "active", health: "healthy", revision: 1, label: "default" });
    expect(credential.permissions).toMatchObject({ read: "yes", trade: "yes", withdraw: "no" });

    const balance = await invoke(custody, owner, credential.id, {
      operation: "fetchBalance",
      params: {},
      idempotencyKey: null,
    });
    expect(balance.outcome).toBe("done");

    await expect(reveal(custody, owner, credential.id, "to see it")).rejects.toMatchObject({
      code: "policy_forbids",
    });
    const opened = await update(custody, owner, credential.id, 1, {
      policy: { allow: ["read", "trade"], reveal: true },
    });
    const revealed = Buffer.from(await reveal(custody, owner, credential.id, "to see it")).toString();
    expect(JSON.parse(revealed)).toMatchObject({
      version: 1,
      secret: { api_key: first.apiKey, api_secret: first.apiSecret },
    });

    const second = world.simulator.control.addKey("binance");
    const sent = secretFields({ api_key: second.apiKey, api_secret: second.apiSecret });
    const replaced = await replace(custody, owner, credential.id, opened.revision, sent);
    expect(replaced).toMatchObject({ status: "active", secret: { version: 2 } });

    await revoke(custody, owner, credential.id);
    await expect(reveal(custody, owner, credential.id, "again")).rejects.toMatchObject({
      code: "illegal_state",
    });
    expect(await show(custody, owner, credential.id)).toMatchObject({ status: "revoked" });
    const left = await world.database.owner.selectFrom("sealed_secrets").selectAll().execute();
    expect(left).toEqual([]);

    const lines: string[] = [];
    for await (const chunk of exportChain(custody.db, owner)) lines.push(...chunk.trimEnd().split("\n"));
    expect(await verifyChain(lines)).toMatchObject({ intact: true, tenant: tenant.id });
    const { items } = await readEvents(
      custody.db,
      owner,
      { credentialId: credential.id },
      { limit: 50, beforeSeq: null },
    );
    expect(items.map(({ event }) => event).toReversed()).toEqual([
      "credential.registered",
      "credential.used",
      "credential.invoke_finished",
      "credential.refused",
      "credential.updated",
      "credential.revealed",
      "credential.secret_replaced",
      "credential.version_destroyed",
      "credential.revoked",
      "credential.version_destroyed",
      "credential.refused",
    ]);
  });
});
