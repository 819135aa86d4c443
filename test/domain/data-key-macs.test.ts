import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Custody } from "../../src/credentials/custody.ts";
import { resealDue } from "../../src/credentials/reseal.ts";
import { deriveMac } from "../../src/crypto/mac.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { addKey } from "../../src/key-encryption/key-file.ts";
import {
  databaseTime,
  rewrapDataKey,
  rotateDataKey,
  sealingKeys,
  wrappedOtherwise,
} from "../../src/tenants/data-key.ts";
import {
  type Answered,
  type Api,
  type ApiTenant,
  type ApiWorld,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

const venue = new ScriptedVenue();
let api: ApiWorld;
let tenant: ApiTenant;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
});
afterAll(() => api.close());

const buy = { symbol: "BTC/USDT", type: "market", side: "buy", amount: "0.01" };

/** What `keyhold keys rotate --data-keys` does, beside the service: every key that there is becomes another. */
async function rotateEverything(): Promise<void> {
  const { db } = api.world.custody;
  await addKey(api.world.keyFile);
  const dataKeys = new DataKeys(db, await loadKeyFile(api.world.keyFile));
  const custody: Custody = { ...api.world.custody, dataKeys };
  for (const key of await wrappedOtherwise(db, dataKeys.newestKekId, 1000)) await rewrapDataKey(custody, key);
  for (const key of await sealingKeys(db, await databaseTime(db), 1000)) await rotateDataKey(custody, key);
  expect(await resealDue(custody)).toMatchObject({ failed: 0 });
}

type Answers = Readonly<{ order: Answered; account: Answered; page: Answered; cursor: string }>;

/** Places an order, makes an account and reads the second page, by a process of the service that ends then. */
async function ask(start: () => Promise<Api>, id: string, earlier: string | null): Promise<Answers> {
  const service = await start();
  const { get, post } = service.as(tenant.owner.token);
  const key = { "idempotency-key": "of-yesterday" };
  const buying = { operation: "createOrder", params: buy };
  const order = await post(`/api/v1/credentials/${id}/invoke`, buying, key);
  const account = await post("/api/v1/accounts", { name: "Once" }, key);
  const list = "/api/v1/credentials?limit=1";
  const cursor = earlier ?? String((await get(list)).json["next_cursor"]);
  const page = await get(`${list}&cursor=${cursor}`);
  await service.close();
  return { order, account, page, cursor };
}

/** The same before a rotation and after it, and how often the venue was asked after it. */
async function aroundRotation(start: () => Promise<Api>) {
  tenant = await api.createTenant();
  const { id } = await registerCredential(tenant.owner, { policy: { allow: ["read", "trade"] } });
  await registerCredential(tenant.owner);
  const before = await ask(start, id, null);
  const sent = venue.invocations;
  await rotateEverything();
  const after = await ask(start, id, before.cursor);
  return { before, after, sentAgain: venue.invocations - sent };
}

describe("what was asked before all keys were rotated", () => {
  test("is recognised after it: no order is sent twice, nothing is made twice, and pages go on", async () => {
    const { before, after, sentAgain } = await aroundRotation(() => api.another());
    expect(before).toMatchObject({ order: { status: 200 }, account: { status: 201 }, page: { status: 200 } });
    expect(after.order.json).toEqual(before.order.json);
    expect(after.account.json).toEqual(before.account.json);
    expect(sentAgain).toBe(0);
    expect(idsOf(after.page)).toHaveLength(1);
    expect(idsOf(after.page)).toEqual(idsOf(before.page));
  });

  test("the control: it would not be, were MACs made with the key that seals", async () => {
    const custody = (whole: Custody) => withMacsOfTheSealingKey(venue.in(whole));
    const { before, after } = await aroundRotation(() => api.another({ custody }));
    expect(before).toMatchObject({ order: { status: 200 }, account: { status: 201 }, page: { status: 200 } });
    expect(after).toMatchObject({
      order: { json: { code: "idempotency_mismatch" } },
      account: { json: { code: "idempotency_mismatch" } },
      page: { status: 400 },
    });
  });
});

function idsOf({ json }: Answered): readonly unknown[] {
  return Object.values(json["items"] ?? {}).map((item) => Object(item).id);
}

function withMacsOfTheSealingKey(custody: Custody): Custody {
  const { dataKeys: keys } = custody;
  const mac: typeof keys.mac = async (tenantId, purpose, bytes) =>
    deriveMac(await keys.toSeal(tenantId, 0), purpose, bytes);
  const dataKeys: typeof keys = {
    get newestKekId() {
      return keys.newestKekId;
    },
    get: (...given) => keys.get(...given),
    toSeal: (...given) => keys.toSeal(...given),
    mac,
    warmMac: (tenantId) => keys.warmMac(tenantId),
    beginMac: (tenantId) => keys.beginMac(tenantId),
    make: (...given) => keys.make(...given),
    rewrap: (...given) => keys.rewrap(...given),
    forget: (id) => keys.forget(id),
    destroyAll: (tenantId) => keys.destroyAll(tenantId),
  };
  return { ...custody, dataKeys };
}
