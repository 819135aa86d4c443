import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fault } from "../../simulator/faults.ts";
import type { Member } from "../../src/access/principal.ts";
import { register } from "../../src/credentials/register.ts";
import type { Environment } from "../../src/venues/venue.ts";
import { countRows } from "../../testkit/record.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let owner: Member;
let accountId: string;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  world.simulator.control.reset();
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
});

type Key = Readonly<{ apiKey: string; apiSecret: string }>;

async function registering(venue: string, environment: Environment, { apiKey, apiSecret }: Key) {
  const fields = secretFields({ api_key: apiKey, api_secret: apiSecret });
  return register(world.custody, owner, { accountId, venue, environment, fields });
}

/** What must fail leaves one event, and nothing else in any table. */
async function refused(work: () => Promise<unknown>, error: object): Promise<void> {
  const before = await countRows(world.database.owner);
  await expect(work()).rejects.toMatchObject(error);
  const links = (before["audit.links"] ?? 0) + 1;
  expect(await countRows(world.database.owner)).toEqual({ ...before, "audit.links": links });
}

const asked = (venue: "alpaca" | "binance") => world.simulator.control.countRequests({ venue });

describe("a key of Alpaca's paper accounts", () => {
  const addKey = () => world.simulator.control.addKey("alpaca", { environment: "paper" });

  test("is taken after one request, with the facts of its account", async () => {
    expect(await registering("alpaca", "paper", addKey())).toMatchObject({
      status: "active",
      account: { type: "paper", status: "ACTIVE", number: expect.stringMatching(/^PA/) },
      permissions: { read: "yes", trade: "unknown" },
    });
    expect(asked("alpaca")).toBe(1);
  });

  test("is refused after one request when it is wrong, or belongs to live accounts", async () => {
    const wrong = { ...addKey(), apiSecret: "wrong" };
    await refused(() => registering("alpaca", "paper", wrong), { code: "venue_rejected" });
    expect(asked("alpaca")).toBe(1);
    const live = world.simulator.control.addKey("alpaca", { environment: "live" });
    await refused(() => registering("alpaca", "paper", live), { code: "venue_rejected" });
  });

  test.each([
    ["refuses so many requests", fault.status(429)],
    ["is down", fault.status(503)],
    ["answers with a page", fault.html(200)],
    ["answers with nothing", fault.emptyObject],
    ["breaks the connection", fault.reset],
  ])("is not kept while the venue %s", async (_, what) => {
    const key = addKey();
    world.simulator.control.fail("alpaca", what);
    await refused(() => registering("alpaca", "paper", key), {
      code: "venue_unavailable",
      status: 503,
    });
    world.simulator.control.clearFaults();
    expect(await registering("alpaca", "paper", key), "the control").toMatchObject({ status: "active" });
  });
});

describe("a key of Binance", () => {
  test("that may withdraw is refused by what the venue tells, and so is one with a word nobody knows", async () => {
    const { control } = world.simulator;
    const withdraws = control.addKey("binance", { permissions: { withdraw: true } });
    const error = { code: "withdraw_refused", status: 422 };
    await refused(() => registering("binance", "live", withdraws), error);
    const strange = control.addKey("binance", { extraWords: ["enableTeleportation"] });
    await refused(() => registering("binance", "live", strange), {
      ...error,
      facts: { unknown_words: ["enableTeleportation"] },
    });
    const plain = control.addKey("binance");
    expect(await registering("binance", "live", plain)).toMatchObject({
      permissions: { withdraw: "no", unknown_words: [] },
    });
  });
});
