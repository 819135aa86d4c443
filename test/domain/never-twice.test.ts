import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { IssuedKey } from "../../simulator/control.ts";
import { fault } from "../../simulator/faults.ts";
import type { Member } from "../../src/access/principal.ts";
import { Disclosures } from "../../src/audit/disclosures.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { register } from "../../src/credentials/register.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { openDb, openPool } from "../../src/db/connect.ts";
import { createTurns } from "../../src/db/turns.ts";
import { KeyholdError } from "../../src/errors.ts";
import type { Venue } from "../../src/venues/venue.ts";
import { type Breakage, failingPool, failingStores, Steps } from "../../testkit/failing-steps.ts";
import { signed } from "../../testkit/rights.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";
import { type VenueCase, venueCases } from "../contracts/venue-cases.ts";

let world: World;
let owner: Member;
const steps = new Steps();
let custody: Custody;
const pools: ReturnType<typeof openPool>[] = [];

beforeAll(async () => {
  world = await createWorld();
  ({ owner } = await world.createTenant());
  custody = failing(world.custody);
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await world.close();
});

/** The same custody, in which each statement and each call of a store after the venue is asked is a step that can fail. */
function failing(sound: Custody): Custody {
  const pool = (name: string) => {
    const opened = openPool(world.database.connection("keyhold_app"), { applicationName: name, max: 4 });
    pools.push(opened);
    return failingPool(opened, steps);
  };
  const get = (id: string): Venue | undefined => {
    const venue = sound.venues.get(id);
    if (venue === undefined) return undefined;
    return {
      description: venue.description,
      inspect: (target) => venue.inspect(target),
      findOrder: (target, order) => venue.findOrder(target, order),
      invoke(target, invocation) {
        steps.begin();
        return venue.invoke(target, invocation);
      },
    };
  };
  const venues = { get, list: () => sound.venues.list(), endsWithinMs: sound.venues.endsWithinMs };
  const db = openDb(pool("failing requests"));
  return {
    ...sound,
    venues,
    db,
    disclosures: new Disclosures(pool("failing record"), signed({ db, dataKeys: sound.dataKeys })),
    turns: createTurns(pool("failing turns")),
    stores: failingStores(sound.stores, steps),
  };
}

function fieldsOf({ apiKey, apiSecret, passphrase }: IssuedKey) {
  return secretFields({
    api_key: apiKey,
    api_secret: apiSecret,
    ...(passphrase === undefined ? {} : { passphrase }),
  });
}

/** A credential at the venue whose rotation is under way, so that a call may need both secrets. */
async function open({ id: venue, environment, keyOptions, symbol, fillingPrice, orderPath }: VenueCase) {
  const { control } = world.simulator;
  const old = control.addKey(venue, { environment, ...keyOptions });
  const young = control.addKey(venue, { environment, ...keyOptions, account: old.account });
  const accountId = await world.createAccount(owner);
  const policy = { allow: ["read", "trade"] } as const;
  const { id } = await register(world.custody, owner, {
    accountId,
    venue,
    environment,
    fields: fieldsOf(old),
    policy: { allow: [...policy.allow] },
  });
  await rotate(world.custody, owner, id, 1, { fields: fieldsOf(young) });
  const params = { symbol, type: "limit", side: "buy", amount: "0.001", price: fillingPrice };
  const order = (key: string, from: Custody = world.custody) =>
    invoke(from, owner, id, { operation: "createOrder", params, idempotencyKey: key }).then(
      ({ outcome }): string => outcome,
      (error: unknown) => (error instanceof KeyholdError ? said(error) : "another error"),
    );
  const placed = () => control.account(venue, old.account, environment).orders.length;
  // The venue refuses the new secret once, so that the old one is tried after it.
  const refuseOnce = () =>
    control.fail(venue, fault.refuse("unknown_key"), { times: 1, path: orderPath, method: "POST" });
  return { id, order, placed, refuseOnce, reset: () => control.clearFaults() };
}

function said({ code, facts }: KeyholdError): string {
  return facts["sent"] === false ? `${code}, not sent` : code;
}

type Desk = Awaited<ReturnType<typeof open>>;
/** What a flawed build would do after an answer that is none. */
type Flaw = (desk: Desk, key: string) => Promise<unknown>;

/** Sends an order while one step fails, repeats it while nothing does, and counts the orders at the venue. */
async function send(desk: Desk, key: string, step: number, breakage: Breakage, flaw?: Flaw) {
  const before = desk.placed();
  desk.refuseOnce();
  steps.failAt(step, breakage);
  const first = await desk.order(key, custody);
  const failed = steps.end();
  desk.reset();
  const atOnce = desk.placed() - before;
  if (first !== "done") await flaw?.(desk, key);
  const repeat = await desk.order(key);
  return { failed, first, atOnce, repeat, orders: desk.placed() - before };
}

const traders = venueCases.filter(({ symbol }) => symbol !== null);
/** Both at a venue where calls wait for turns and at one where they do not; elsewhere every other step in each way. */
const closely: readonly string[] = ["alpaca", "kraken"];
const waysAt = ({ id }: VenueCase): readonly (readonly [Breakage, Breakage])[] =>
  closely.includes(id)
    ? [
        ["before", "before"],
        ["after", "after"],
      ]
    : [["before", "after"]];

describe.each(traders)("an order at $id", (given) => {
  test.each(waysAt(given))(
    "is placed once, whichever statement or call of a store after the first byte fails (%s or %s it is done)",
    async (...ways) => {
      const desk = await open(given);
      for (let step = 1; ; step += 1) {
        const way = ways[step % 2] ?? "before";
        const { failed, first, atOnce, repeat, orders } = await send(desk, `key-${step}`, step, way);
        const told = `step ${step}: ${first}, then ${repeat}`;
        expect(orders, told).toBeLessThanOrEqual(1);
        if (first === "done") expect(atOnce, told).toBe(1);
        if (first.endsWith("not sent")) expect(atOnce, told).toBe(0);
        if (repeat === "done") expect(orders, told).toBe(1);
        if (!failed) {
          expect([first, orders], "nothing failed (control)").toEqual(["done", 1]);
          expect(step, "many steps were tried (control)").toBeGreaterThan(15);
          return;
        }
      }
    },
    300_000,
  );
});

test("a build that frees the key after any failure is found (control)", async () => {
  const [given] = traders;
  if (given === undefined) throw new Error("no venue has orders");
  const desk = await open(given);
  const frees: Flaw = ({ id }, key) =>
    world.database.ownerPool.query("delete from invocations where credential_id = $1 and key = $2", [
      id,
      key,
    ]);
  const counts: number[] = [];
  for (let step = 1; ; step += 1) {
    const { failed, orders } = await send(desk, `key-${step}`, step, "before", frees);
    counts.push(orders);
    if (!failed || orders === 2) break;
  }
  expect(Math.max(...counts)).toBe(2);
}, 300_000);
