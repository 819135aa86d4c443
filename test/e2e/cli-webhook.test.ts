import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCertificate } from "../../testkit/certificate.ts";
import { type CliWorld, createCliWorld } from "../../testkit/cli-world.ts";
import { Receiver } from "../../testkit/receiver.ts";

let folder: string;
let receiver: Receiver;
let world: CliWorld;
let shell: CliWorld["shell"];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-webhooks-"));
  const tls = makeCertificate("127.0.0.1");
  const authority = join(folder, "authority.pem");
  await writeFile(authority, tls.certificate);
  receiver = await Receiver.start({ tls });
  world = await createCliWorld({ KEYHOLD_WEBHOOK_NETWORKS: "127.0.0.1", NODE_EXTRA_CA_CERTS: authority });
  ({ shell } = world);
});
afterAll(async () => {
  await world.close();
  await receiver.close();
  await rm(folder, { recursive: true });
});

const text = (...lines: readonly string[]): string => lines.join("\n");

test("a webhook is made, told over TLS what happens, looked after and removed", async () => {
  const { alice, bob, account } = await world.openTenant();
  const secret = await shell.field(
    alice,
    `webhook create ${receiver.url} --event account.frozen --description desk`,
    "secret",
  );
  const id = shell.name(await shell.field(alice, "webhook list", "id"), "W");
  shell.name(receiver.url, "URL");
  expect(await shell.transcript(alice, "webhook list")).toBe(
    text("ID  URL  STATUS  EVENTS", "W  URL  active  account.frozen"),
  );

  await shell.run(alice, ["account", "freeze", account]);
  await expect.poll(() => receiver.messages.length, { timeout: 60_000 }).toBe(1);
  const [message] = receiver.messages;
  expect(new Webhook(secret).verify(message?.payload ?? "", { ...message?.headers })).toMatchObject({
    type: "account.frozen",
    data: { account_id: account },
  });
  const delivery = shell.name(await shell.field(alice, `webhook deliveries --webhook ${id}`, "id"), "D");
  await expect
    .poll(() => shell.transcript(alice, "webhook deliveries --state delivered"), { timeout: 60_000 })
    .toBe(
      text(
        "ID  EVENT  STATE  ATTEMPTS  OUTCOME  DUE  MESSAGE",
        "D  account.frozen  delivered  1  delivered  –  msg_HEX",
      ).replace("msg_HEX", message?.id ?? ""),
    );
  expect(await shell.transcript(alice, `webhook delivery ${delivery}`)).toMatch(
    /\nlog {2}TIME delivered 204\npayload /,
  );
  expect(await shell.transcript(alice, `webhook replay ${delivery}`)).toContain("state  pending");
  await expect.poll(() => receiver.ids.get(message?.id ?? ""), { timeout: 60_000 }).toBe(2);

  expect(await shell.transcript(alice, `webhook rotate-secret ${id} --at-once`)).toMatch(
    /^secret {2}whsec_[^]*\nold secret until {2}–\nrevision {2}2\nKeep the secret now: it is not shown again\.$/,
  );
  expect(await shell.transcript(alice, `webhook test ${id}`)).toContain("event  webhook.test");
  expect(await shell.transcript(alice, `webhook update ${id} --event all --disable`)).toContain(
    text("status  disabled (member)", "events  all"),
  );
  expect(await shell.transcript(alice, `webhook show ${id}`)).toContain("description  desk");
  expect(await shell.transcript(bob, "webhook list")).toMatch(/\(forbidden\)[^]*\[exit 1\]$/);
  expect(await shell.transcript(alice, "webhook create https://10.0.0.1/")).toMatch(
    /\(malformed\)\n.*public addresses[^]*\[exit 1\]$/,
  );
  expect(await shell.transcript(alice, `webhook delete ${id} --yes`)).toBe("W is deleted");
  expect(world.service.output()).not.toContain(secret.slice(6));
});

test("is counted where the metrics are", async () => {
  const metrics = await (await fetch(world.service.metricsUrl)).text();
  expect(metrics).toMatch(/keyhold_webhook_deliveries_total\{outcome="delivered"\} [2-9]/);
  expect(metrics).toMatch(/keyhold_webhook_outbox_age_seconds \d/);
});
