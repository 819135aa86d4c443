import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { IssuedKey } from "../../simulator/control.ts";
import type { VenueId } from "../../simulator/venue.ts";
import { checkDue } from "../../src/credentials/check.ts";
import { createInstallation, type Installation } from "../../testkit/installation.ts";
import { Receiver } from "../../testkit/receiver.ts";
import type { Service } from "../../testkit/service.ts";
import { openTrader, secretOf, type Trader } from "../../testkit/trader.ts";

let installation: Installation;
let service: Service;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await Receiver.start();
  installation = await createInstallation({
    KEYHOLD_WEBHOOK_NETWORKS: "127.0.0.1",
    // However busy this machine is.
    KEYHOLD_VENUE_TIMEOUT_MS: "60000",
  });
  service = await installation.startProcess();
});
afterAll(async () => {
  await service?.stop();
  await installation?.close();
  await receiver?.close();
});

type Case = Readonly<{
  venue: VenueId;
  /** What the venue can tell decides what Keyhold can say. */
  status: "expired" | "invalid";
  event: string;
  data: object;
  refusal: string;
}>;

const cases: readonly Case[] = [
  {
    venue: "bybit",
    status: "expired",
    event: "credential.expired",
    data: {},
    refusal: "The credential has expired. Replace its secret.",
  },
  {
    venue: "kraken",
    status: "invalid",
    event: "credential.invalidated",
    data: { reason: "bad_key" },
    refusal: "The venue refused the credential.",
  },
];

const control = () => installation.world.simulator.control;

describe.each(cases)(
  "a key that expires at the venue ($venue)",
  ({ venue, status, event, data, refusal }) => {
    let trader: Trader;
    let signing: string;
    let id: string;
    let key: IssuedKey;

    beforeAll(async () => {
      trader = await openTrader(installation, service);
      const hook = await trader.send("POST", "/webhooks", { url: receiver.url });
      signing = String(hook.json["secret"]);
      key = control().addKey(venue);
      id = await trader.register(key);
    });

    const shown = async () => (await trader.get(`/credentials/${id}`)).json;
    const ordersAtVenue = () => control().account(venue, key.account).orders.length;
    const told = () =>
      receiver.messages.filter(({ data: { credential_id } }) => credential_id === id).map(({ type }) => type);
    const toldOf = async (name: string) => {
      await expect.poll(told, { timeout: 60_000 }).toContain(name);
      return receiver.messages.filter(
        ({ type, data: about }) => type === name && about["credential_id"] === id,
      );
    };

    test("works until then", async () => {
      expect(await trader.order(id)).toMatchObject({ status: 200, json: { outcome: "done" } });
      expect(ordersAtVenue()).toBe(1);
      await toldOf("credential.registered");
    });

    test("fails a live order, which decides nothing yet", async () => {
      control().expireKey(venue, key.apiKey);
      expect(await trader.order(id)).toMatchObject({ status: 422, json: { code: "venue_refused" } });
      expect(ordersAtVenue()).toBe(1);
      expect(await shown()).toMatchObject({ status: "active", health: "unhealthy" });
      expect(told().filter((type) => type === event)).toEqual([]);
    });

    test("has ended when a check confirms it a minute later, and the receiver is told why", async () => {
      await sql`update credentials set rejected_at = rejected_at - interval '61 seconds', next_check_at = now()
      where id = ${id}`.execute(installation.world.database.owner);
      // As the clock of the service does once a minute, and perhaps does this moment.
      await checkDue(installation.world.custody);
      await expect.poll(async () => (await shown())["status"], { timeout: 120_000 }).toBe(status);
      const [message, ...others] = await toldOf(event);
      expect(others).toEqual([]);
      const { tenantId } = trader.member;
      expect(new Webhook(signing).verify(message?.payload ?? "", { ...message?.headers })).toMatchObject({
        type: event,
        data: { tenant_id: tenantId, credential_id: id, venue, environment: "live", ...data },
      });
    });

    test("is not used any more: whoever tries is told why and what to do, and the venue is not asked", async () => {
      const before = control().countRequests({ venue });
      const attempts = [
        await trader.order(id),
        await trader.send("POST", `/credentials/${id}/invoke`, { operation: "fetchBalance" }),
        await trader.send("POST", `/credentials/${id}/reveal`, { reason: "to look" }),
      ];
      for (const { status: answered, json } of attempts) {
        expect(answered).toBe(409);
        expect(json).toMatchObject({
          code: "illegal_state",
          reason: status,
          detail: expect.stringContaining(refusal),
        });
      }
      expect(control().countRequests({ venue })).toBe(before);
      expect(
        await trader.send("POST", `/credentials/${id}/rotate`, { secret: fresh() }, await revision()),
      ).toMatchObject({
        status: 409,
        json: { code: "illegal_state", credential_status: status },
      });
    });

    const revision = async (): Promise<number> => Number((await shown())["revision"]);
    const fresh = () => secretOf(control().addKey(venue, { account: key.account }));

    test("does not come back with a secret that the venue refuses", async () => {
      const wrong = { ...fresh(), api_secret: randomBytes(18).toString("hex") };
      expect(
        await trader.send("PUT", `/credentials/${id}/secret`, { secret: wrong }, await revision()),
      ).toMatchObject({
        status: 422,
        json: { code: "venue_rejected" },
      });
      expect(await shown()).toMatchObject({ status });
    });

    test("is active again with a new secret, and the receiver is told of the recovery", async () => {
      const replaced = await trader.send(
        "PUT",
        `/credentials/${id}/secret`,
        { secret: fresh() },
        await revision(),
      );
      expect(replaced, replaced.text).toMatchObject({
        status: 200,
        json: { status: "active", health: "healthy" },
      });
      expect(await trader.order(id)).toMatchObject({ status: 200, json: { outcome: "done" } });
      expect(ordersAtVenue()).toBe(2);
      expect(await toldOf("credential.recovered")).toHaveLength(1);
      await toldOf("credential.secret_replaced");
      const { json } = await trader.get(`/audit/events?credential_id=${id}&event=credential.recovered`);
      expect(json["count"]).toBe(1);
    });
  },
);
