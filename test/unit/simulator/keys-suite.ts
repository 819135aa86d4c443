import type { Exchange } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { KeyPermissions } from "../../../simulator/accounts.ts";
import type { IssuedKey, KeyOptions } from "../../../simulator/control.ts";
import type { Reason } from "../../../simulator/refusal.ts";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import type { VenueId } from "../../../simulator/venue.ts";
import type { Alteration } from "./alter.ts";
import { clientOf, send } from "./client.ts";

/** A request of the venue's own API, as ccxt's `request` takes it. */
export type Wanted = readonly [path: string, api: unknown, method: string, params: object];

/** What a new key is to have. */
export type Terms = Readonly<{ label: string; passphrase: string; boundIps: readonly string[] }>;

export type KeysCase = Readonly<{
  venue: VenueId;
  venueClass: new (config: Record<string, unknown>) => Exchange;
  /** Rights with which a parent key may manage keys, and some with which it may not. */
  suffices: Partial<KeyPermissions>;
  lacks: Partial<KeyPermissions>;
  list: (sub: IssuedKey) => Wanted;
  /** May trade and read. */
  create: (sub: IssuedKey, terms: Terms) => Wanted;
  remove: (sub: IssuedKey, key: Pick<IssuedKey, "apiKey" | "passphrase">) => Wanted;
  /** Parts of a creation that the signature covers. */
  alter: Readonly<Record<string, Alteration>>;
  /** Status and a part of the body of what is answered, by reason. */
  refusals: Readonly<
    Record<"lacks" | "not_main_account" | "unknown_sub_account" | "unknown_sub_key" | "key_limit", Refusal>
  >;
}>;

type Refusal = readonly [status: number, part: string];

const loopback = "127.0.0.1";
const terms: Terms = { label: "kh0rotation", passphrase: "Kh1passphrase", boundIps: [loopback] };

const authReasons: readonly Reason[] = ["missing_credentials", "unknown_key", "bad_signature"];

/** What every simulated venue that manages keys must do; ccxt is the client because it signs by itself. */
export function keysSuite(given: KeysCase): void {
  const { venue } = given;
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  const unified = venue === "bitget";
  const addMain = (options: KeyOptions = {}): IssuedKey => {
    simulator.control.setAccount(venue, "main", { unified });
    return simulator.control.addKey(venue, {
      account: "main",
      permissions: given.suffices,
      boundIps: [loopback],
      ...options,
    });
  };
  const addSub = (account = "desk01"): IssuedKey => {
    simulator.control.setAccount(venue, account, { parent: "main", unified });
    return simulator.control.addKey(venue, { account });
  };
  /** Signs and hands over, or sends, what the key's holder asks for. */
  const signed = (key: IssuedKey, [path, api, method, params]: Wanted) =>
    clientOf(given.venueClass, simulator, key).signed((exchange) =>
      exchange.request(path, api, method, params),
    );
  const ask = async (key: IssuedKey, wanted: Wanted) => send(await signed(key, wanted));
  const keys = () => simulator.control.keys(venue, "desk01");
  const lastRefusal = () => simulator.control.requests({ venue }).at(-1)?.refusal;

  describe(`a main account at ${venue}`, () => {
    test("creates a key of its sub-account, sees it and deletes it, and it is unknown at once", async () => {
      const [main, sub] = [addMain(), addSub()];
      const made = await ask(main, given.create(sub, terms));
      expect(made.status).toBe(200);
      const [, key] = keys();
      if (key === undefined) throw new Error("no key was made");
      expect(key).toMatchObject({ label: terms.label, boundIps: terms.boundIps });
      expect(key.permissions).toEqual({ read: true, trade: true, withdraw: false, transfer: false });
      expect(await made.text()).toContain(key.apiSecret);
      expect(await (await ask(main, given.list(sub))).text()).toContain(key.apiKey);
      expect(lastRefusal()).toBeNull();

      await ask(main, given.remove(sub, { ...key, passphrase: terms.passphrase }));
      expect(lastRefusal()).toBeNull();
      expect(keys().map(({ apiKey }) => apiKey)).toEqual([sub.apiKey]);
      const holder = { ...main, apiKey: key.apiKey, apiSecret: key.apiSecret ?? "" };
      await ask(holder, given.list(sub));
      expect(lastRefusal()).toBe("unknown_key");
    });

    test("never tells the secrets of keys that are there", async () => {
      const [main, sub] = [addMain(), addSub()];
      const list = await (await ask(main, given.list(sub))).text();
      expect(list).toContain(sub.apiKey);
      expect(list).not.toContain(sub.apiSecret);
    });

    test.each(Object.entries(given.alter))(
      "makes no key for a request with its %s altered",
      async (_part, alter) => {
        const sent = await signed(addMain(), given.create(addSub(), terms));
        await send(alter(sent));
        expect(authReasons).toContain(lastRefusal());
        expect(keys()).toHaveLength(1);
        await send(sent);
        expect([lastRefusal(), keys().length]).toEqual([null, 2]);
      },
    );

    test("makes no key for one who signs with another secret", async () => {
      const main = { ...addMain(), apiSecret: addMain().apiSecret };
      await ask(main, given.create(addSub(), terms));
      expect(lastRefusal()).toBe("bad_signature");
      expect(keys()).toHaveLength(1);
    });

    const expectRefusal = async (
      [status, part]: Refusal,
      key: IssuedKey,
      wanted: Wanted,
      account = "desk01",
    ) => {
      const before = simulator.control.keys(venue, account).length;
      const answer = await ask(key, wanted);
      expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(part)]);
      expect(simulator.control.keys(venue, account)).toHaveLength(before);
    };

    test("needs the right to manage keys", async () => {
      const sub = addSub();
      const main = addMain({ permissions: given.lacks });
      await expectRefusal(given.refusals.lacks, main, given.create(sub, terms));
      await expectRefusal(given.refusals.lacks, main, given.remove(sub, sub));
    });

    test("is what it takes: a sub-account manages nothing", async () => {
      addMain();
      const sub = addSub();
      const own = simulator.control.addKey(venue, {
        account: "desk01",
        permissions: given.suffices,
        boundIps: [loopback],
      });
      await expectRefusal(given.refusals.not_main_account, own, given.create(sub, terms));
    });

    test("has no say in the sub-accounts of another", async () => {
      const main = addMain();
      simulator.control.setAccount(venue, "other", { parent: "another main", unified });
      const foreign = simulator.control.addKey(venue, { account: "other" });
      const { unknown_sub_account: refusal } = given.refusals;
      await expectRefusal(refusal, main, given.create(foreign, terms), "other");
      expect((await ask(main, given.remove(foreign, foreign))).status).toBe(
        given.refusals.unknown_sub_key[0],
      );
      expect(simulator.control.keys(venue, "other")).toHaveLength(1);
    });

    test("cannot delete what is not there", async () => {
      const [main, sub] = [addMain(), addSub()];
      simulator.control.revokeKey(venue, sub.apiKey);
      await expectRefusal(given.refusals.unknown_sub_key, main, given.remove(sub, sub));
    });

    test("cannot make more keys than the account may have", async () => {
      const [main, sub] = [addMain(), addSub()];
      simulator.control.setAccount(venue, "desk01", { keyLimit: 2 });
      await ask(main, given.create(sub, terms));
      expect(lastRefusal()).toBeNull();
      await expectRefusal(
        given.refusals.key_limit,
        main,
        given.create(sub, { ...terms, label: "kh0another" }),
      );
    });
  });
}
