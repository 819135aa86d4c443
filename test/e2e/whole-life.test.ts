import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { IssuedKey } from "../../simulator/control.ts";
import { finishDueRotations } from "../../src/credentials/rotation.ts";
import { createInstallation, type Installation } from "../../testkit/installation.ts";
import { leaksIn } from "../../testkit/leaks.ts";
import { Receiver } from "../../testkit/receiver.ts";
import { eventsOf, exportLines } from "../../testkit/record.ts";
import type { Service } from "../../testkit/service.ts";
import { type Answer, openTrader, secretOf, type Trader } from "../../testkit/trader.ts";

let installation: Installation;
let service: Service;
let receiver: Receiver;
let trader: Trader;
/** The credential, and the keys that it holds one after the other, of one account at the venue. */
let id: string;
let first: IssuedKey;
let second: IssuedKey;
/** By which messages to the receiver are signed. */
let signing: string;
/** What was placed at the venue so far. */
const acknowledged: string[] = [];

beforeAll(async () => {
  receiver = await Receiver.start();
  installation = await createInstallation({
    KEYHOLD_WEBHOOK_NETWORKS: "127.0.0.1",
    // However busy this machine is.
    KEYHOLD_VENUE_TIMEOUT_MS: "60000",
    KEYHOLD_INVOKES_PER_MINUTE: "1000000",
  });
  service = await installation.startProcess();
  trader = await openTrader(installation, service);
  const hook = await trader.send("POST", "/webhooks", { url: receiver.url });
  signing = String(hook.json["secret"]);
  first = control().addKey("binance");
  second = control().addKey("binance", { account: first.account });
});
afterAll(async () => {
  await service?.stop();
  await installation?.close();
  await receiver?.close();
});

const control = () => installation.world.simulator.control;
const ordersAtVenue = () =>
  control()
    .account("binance", first.account)
    .orders.map(({ clientOrderId }) => clientOrderId);

/** The venue refuses the next order as it does one with a key that it does not know. */
function forgetKeyOnce(): void {
  const nextOrder = { method: "POST", path: "/api/v3/order", times: 1 };
  control().fail("binance", { kind: "refuse", reason: "unknown_key" }, nextOrder);
}

/** An order that must go through. */
async function buy(name?: string): Promise<Answer> {
  const answer = await trader.order(id, name);
  expect(answer, answer.text).toMatchObject({ status: 200, json: { outcome: "done" } });
  return answer;
}

function note({ json }: Answer): void {
  acknowledged.push(String(json["client_order_id"]));
}

/** Places one order after another, four at a time, until it is told to stop. */
function trade() {
  const answers: Answer[] = [];
  const over = new AbortController();
  const one = async (): Promise<void> => {
    while (!over.signal.aborted) answers.push(await trader.order(id));
  };
  const all = Promise.all([one(), one(), one(), one()]);
  return {
    /** Until so many more orders were answered. */
    async goOn(count: number): Promise<void> {
      const until = answers.length + count;
      while (answers.length < until) await Promise.race([sleep(5), all]);
    },
    async stop(): Promise<readonly Answer[]> {
      over.abort();
      await all;
      return answers;
    },
  };
}

const versions = async () => (await trader.get(`/credentials/${id}/versions`)).json;

/** The versions whose sealed bytes are still there. */
async function sealedVersions(): Promise<readonly number[]> {
  const { rows } = await sql<{ version: number }>`
    select version from sealed_secrets where credential_id = ${id} order by version`.execute(
    installation.world.database.owner,
  );
  return rows.map(({ version }) => version);
}

describe("the whole life of a credential, with a trade during its rotation", () => {
  test("it is registered, the venue is asked about it, and it is healthy", async () => {
    id = await trader.register(first);
    expect((await trader.get(`/credentials/${id}`)).json).toMatchObject({
      status: "active",
      health: "healthy",
      permissions: { trade: "yes", withdraw: "no" },
    });
    expect((await trader.send("POST", `/credentials/${id}/validate`)).json).toMatchObject({ is_valid: true });
    const health = await trader.get(`/credentials/${id}/health`);
    expect(health.json).toMatchObject({
      status: "active",
      checks: [{ purpose: "validate", outcome: "valid" }],
    });
  });

  test("an order is placed once, however often it is sent under its name", async () => {
    const placed = await buy("first-order");
    expect((await buy("first-order")).json).toEqual(placed.json);
    note(placed);
    expect(ordersAtVenue()).toEqual(acknowledged);
    note(await buy("second-order"));
    expect(ordersAtVenue(), "the control: another name is another order").toEqual(acknowledged);
  });

  test("it is rotated while orders flow: none fails, and each is at the venue exactly once", async () => {
    const load = trade();
    await load.goOn(20);
    const { json } = await trader.get(`/credentials/${id}`);
    const secret = secretOf(second);
    const rotated = await trader.send(
      "POST",
      `/credentials/${id}/rotate`,
      { secret },
      Number(json["revision"]),
    );
    expect(rotated, rotated.text).toMatchObject({ status: 200, json: { rotation: { state: "overlap" } } });
    await load.goOn(20);
    const answers = await load.stop();
    expect(answers.filter(({ status, json: told }) => status !== 200 || told["outcome"] !== "done")).toEqual(
      [],
    );
    for (const answer of answers) note(answer);
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    expect(ordersAtVenue().toSorted()).toEqual(acknowledged.toSorted());
    expect(await versions()).toMatchObject({
      items: [
        { version: 2, state: "current" },
        { version: 1, state: "retired" },
      ],
    });
  });

  test("where the venue does not know the new key yet, the old one serves, and the order is placed once", async () => {
    forgetKeyOnce();
    note(await buy());
    expect(ordersAtVenue().toSorted()).toEqual(acknowledged.toSorted());
    expect(await versions()).toMatchObject({
      rotation: { fallbacks: 1 },
      old_version_uses: [{ how: "fallback", count: 1, actor: { kind: "member" } }],
    });
    const events = await eventsOf(installation.world.custody.db, trader.member, id);
    expect(events.filter(({ detail }) => detail["purpose"] === "fallback")).toMatchObject([
      { event: "credential.used", detail: { version: 1, operation: "createOrder" } },
    ]);
    expect((await trader.get(`/credentials/${id}`)).json).toMatchObject({
      status: "active",
      health: "healthy",
    });
  });

  test("the overlap ends, and the old secret is destroyed", async () => {
    expect(await sealedVersions()).toEqual([1, 2]);
    await sql`update rotations set overlap_until = now() where credential_id = ${id}`.execute(
      installation.world.database.owner,
    );
    // As the clock of the service does once a minute, and perhaps has done this moment.
    await finishDueRotations(installation.world.custody);
    expect(await versions()).toMatchObject({ rotation: { state: "finished" } });
    await expect.poll(sealedVersions, { timeout: 60_000 }).toEqual([2]);
  });

  test("there is no way back to the old key, here or at the venue, and trade goes on with the new one", async () => {
    const { json } = await trader.get(`/credentials/${id}`);
    const path = `/credentials/${id}/rotation/rollback`;
    expect(await trader.send("POST", path, undefined, Number(json["revision"]))).toMatchObject({
      status: 409,
      json: { code: "illegal_state" },
    });
    forgetKeyOnce();
    expect(await trader.order(id), "nothing to fall back to").toMatchObject({
      status: 422,
      json: { code: "venue_refused" },
    });
    const old = { venue: "binance", environment: "live", secret: secretOf(first) };
    const asked = async () => (await trader.send("POST", "/credentials/validate", old)).json["is_valid"];
    expect(await asked(), "the venue knows it until it is deleted there").toBe(true);
    control().revokeKey("binance", first.apiKey);
    expect(await asked()).toBe(false);
    note(await buy());
    expect(ordersAtVenue().toSorted()).toEqual(acknowledged.toSorted());
  });

  test("it is revoked, and nothing of it is left to trade with", async () => {
    expect((await trader.send("POST", `/credentials/${id}/revoke`)).json).toMatchObject({
      status: "revoked",
    });
    expect(await trader.order(id)).toMatchObject({ status: 409, json: { code: "illegal_state" } });
    await expect.poll(sealedVersions, { timeout: 60_000 }).toEqual([]);
    expect(ordersAtVenue()).toHaveLength(acknowledged.length);
  });

  test("whoever subscribed was told of each step once, by signed messages", async () => {
    const about = () => receiver.messages.filter(({ data }) => data["credential_id"] === id);
    await expect
      .poll(
        () =>
          about()
            .map(({ type }) => type)
            .toSorted(),
        { timeout: 60_000 },
      )
      .toEqual([
        "credential.registered",
        "credential.revoked",
        "credential.rotation_finished",
        "credential.rotation_started",
      ]);
    for (const { payload, headers } of about()) new Webhook(signing).verify(payload, { ...headers });
  });

  test("the record is whole, and neither it nor a log nor a message holds a secret", async () => {
    const address = { KEYHOLD_URL: service.url, KEYHOLD_TOKEN: trader.token };
    const verified = await installation.keyhold(["audit", "verify"], address);
    expect(verified, verified.notes).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^intact +yes/),
    });
    const surface = [
      service.output(),
      ...receiver.messages.map(({ payload }) => payload),
      ...(await exportLines(installation.world.custody.db, trader.member)),
    ].join("\n");
    expect(leaksIn(Buffer.from(surface), [id]), "the control: it is told of").toContain("raw");
    const secrets = [first, second].flatMap(({ apiKey, apiSecret }) => [apiKey, apiSecret]);
    expect(leaksIn(Buffer.from(surface), secrets)).toEqual([]);
  });
});
