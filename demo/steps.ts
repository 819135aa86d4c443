import { at, type Client, type NewCredential } from "@keyhold/client";
import { z } from "zod";
import type { IssuedKey } from "../simulator/control.ts";
import { localIssuerName } from "../src/access/local-issuer.ts";
import { verifyChain } from "../src/audit/chain.ts";
import { readLines } from "../src/cli/audit.ts";
import { type Column, table } from "../src/cli/output.ts";
import { idOf, type Scene } from "./stage.ts";
import { refused, type Step, step } from "./step.ts";

const credential = "/api/v1/credentials/{id}";

const created = z.object({ id: z.string() });
const tenantCreated = z.object({ tenant: created });

const opening: readonly Step[] = [
  step({
    title: "the operator opens a tenant, and sees nothing inside it",
    actor: "operator",
    send: (keyhold) => newTenant(keyhold, "Northwind Trading", "alice"),
    status: 201,
    answer: tenantCreated,
    tell: ({ tenant }) => `tenant ${tenant.id}`,
    learn: ({ tenant }) => [["tenant", tenant.id]],
  }),
  addMember("bob"),
  addMember("carol"),
  step({
    title: "bob opens an account",
    actor: "bob",
    send: (keyhold) => keyhold.POST("/api/v1/accounts", { body: { name: "Main" } }),
    status: 201,
    answer: created,
    tell: ({ id }) => `account ${id}`,
    learn: ({ id }) => [["account", id]],
  }),
];

const permissions = z.object({
  read: z.string(),
  trade: z.string(),
  withdraw: z.literal("no"),
  transfer: z.string(),
});

const registering: readonly Step[] = [
  step({
    title: "bob registers a Binance key: the venue is asked first, then the key is sealed and kept",
    actor: "bob",
    send: (keyhold, scene) => {
      const rest = { label: "main", policy: { allow: ["read" as const, "trade" as const], reveal: true } };
      return register(keyhold, scene, scene.keys.trading, rest);
    },
    status: 201,
    answer: created.extend({ status: z.literal("active"), permissions }),
    tell: ({ status, permissions: may }) =>
      `${status}; read ${may.read}, trade ${may.trade}, withdraw ${may.withdraw}, transfer ${may.transfer}`,
    learn: ({ id }) => [["binance", id]],
  }),
  refused({
    title: "a key that may withdraw is refused",
    actor: "bob",
    send: (keyhold, scene) => register(keyhold, scene, scene.keys.withdrawing, { label: "withdrawing" }),
    status: 422,
    code: "withdraw_refused",
  }),
  refused({
    title: "a key with a wrong secret is refused",
    actor: "bob",
    send: (keyhold, scene) => {
      const { apiSecret } = scene.keys.withdrawing;
      return register(keyhold, scene, { ...scene.keys.trading, apiSecret }, { label: "mistyped" });
    },
    status: 422,
    code: "venue_rejected",
  }),
  step({
    title: "bob registers an Alpaca paper key",
    actor: "bob",
    send: (keyhold, scene) => register(keyhold, scene, scene.keys.paper, {}),
    status: 201,
    answer: created.extend({ status: z.literal("active"), account: z.object({ type: z.literal("paper") }) }),
    tell: ({ status, account }) => `${status}; an account of type ${account.type}`,
    learn: ({ id }) => [["alpaca", id]],
  }),
  step({
    title: "and asks Alpaca about it once more",
    actor: "bob",
    send: (keyhold, scene) => keyhold.POST(`${credential}/validate`, at(idOf(scene, "alpaca"))),
    status: 200,
    answer: z.object({ is_valid: z.literal(true), account_status: z.literal("ACTIVE"), message: z.string() }),
    tell: ({ account_status, message }) => `is_valid: true, account_status: ${account_status}. ${message}`,
  }),
];

const balance = z.object({
  outcome: z.literal("done"),
  result: z.object({ total: z.record(z.string(), z.number()) }),
});
const order = z.object({
  outcome: z.literal("done"),
  client_order_id: z.string(),
  result: z.object({ id: z.string(), symbol: z.string(), side: z.string(), status: z.string().nullish() }),
});

const using: readonly Step[] = [
  step({
    title: "a balance, without the key leaving the service",
    actor: "bob",
    send: fetchBalance,
    status: 200,
    answer: balance,
    tell: ({ result }) =>
      Object.entries(result.total)
        .map(([asset, amount]) => `${amount} ${asset}`)
        .join(", "),
  }),
  step({
    title: "an order: its Idempotency-Key is written down before the venue is called",
    actor: "bob",
    send: placeOrder,
    status: 200,
    answer: order,
    holds: placedOnce,
    tell: ({ result, client_order_id }) =>
      `order ${result.id} at the venue, client order id ${client_order_id}`,
  }),
  step({
    title: "the same request again, as after a lost answer: the venue still has one order",
    actor: "bob",
    send: placeOrder,
    status: 200,
    answer: order,
    holds: placedOnce,
    tell: ({ result }) => `order ${result.id}, not sent twice`,
  }),
  step({
    title: "the plaintext itself, where policy and scope allow it, with a reason",
    actor: "bob",
    send: (keyhold, scene) =>
      keyhold.POST(`${credential}/reveal`, {
        ...at(idOf(scene, "binance")),
        body: { reason: "moving the strategy to another machine" },
      }),
    status: 200,
    answer: z.object({ secret: z.object({ api_key: z.string(), api_secret: z.string() }) }),
    holds: ({ keys: { trading } }, { secret }) =>
      secret.api_key === trading.apiKey && secret.api_secret === trading.apiSecret,
    tell: ({ secret }) => `${Object.keys(secret).join(" and ")} as they were registered, not shown here`,
  }),
];

const isolation: readonly Step[] = [
  step({
    title: "the operator opens another tenant",
    actor: "operator",
    send: (keyhold) => newTenant(keyhold, "Rival Capital", "eve"),
    status: 201,
    answer: tenantCreated,
    tell: ({ tenant }) => `tenant ${tenant.id}`,
    learn: ({ tenant }) => [["rival", tenant.id]],
  }),
  refused({
    title: "its owner asks for bob's credential: to another tenant it does not exist",
    actor: "eve",
    send: (keyhold, scene) => keyhold.GET(credential, at(idOf(scene, "binance"))),
    status: 404,
    code: "not_found",
  }),
  refused({
    title: "carol, of bob's tenant, may not touch it",
    actor: "carol",
    send: (keyhold, scene) => keyhold.GET(credential, at(idOf(scene, "binance"))),
    status: 403,
    code: "forbidden",
  }),
];

const ending: readonly Step[] = [
  step({
    title: "bob revokes the credential: its secret is destroyed, what is known of it stays",
    actor: "bob",
    send: (keyhold, scene) => keyhold.POST(`${credential}/revoke`, at(idOf(scene, "binance"))),
    status: 200,
    answer: z.object({ status: z.literal("revoked") }),
    tell: ({ status }) => status,
  }),
  refused({
    title: "and it is of no more use",
    actor: "bob",
    send: fetchBalance,
    status: 409,
    code: "illegal_state",
  }),
];

const event = z.object({
  seq: z.number(),
  event: z.string(),
  outcome: z.string(),
  detail: z.looseObject({
    actor: z.object({ kind: z.string() }),
    purpose: z.string().optional(),
    operation: z.string().optional(),
    reason: z.string().nullish(),
  }),
});
const eventColumns: readonly Column<z.output<typeof event>>[] = [
  ["seq", ({ seq }) => seq],
  ["event", (it) => it.event],
  ["by", ({ detail }) => detail.actor.kind],
  ["outcome", ({ outcome }) => outcome],
  [
    "why",
    ({ detail }) => detail.reason ?? [detail.purpose, detail.operation].filter((word) => word !== undefined),
  ],
];
const intact = z.object({ intact: z.literal(true), links: z.number(), events: z.number().min(10) });
const broken = z.object({ intact: z.literal(false), line: z.number(), reason: z.string() });

const recorded: readonly Step[] = [
  step({
    title: "the record of all this",
    actor: "alice",
    send: (keyhold) => keyhold.GET("/api/v1/audit/events", { params: { query: { limit: 100 } } }),
    status: 200,
    answer: z.object({ items: z.array(event) }),
    holds: (_scene, { items }) => mustBeRecorded.every((name) => items.some((item) => item.event === name)),
    tell: ({ items }) => `${items.length} events\n${table(items.toReversed(), eventColumns)}`,
  }),
  step({
    title: "its chain of hashes holds",
    actor: "alice",
    send: async (keyhold) => ({ data: await verifyChain(readLines(keyhold.exportAudit())) }),
    status: 200,
    answer: intact,
    tell: ({ links, events }) => `intact: ${events} events in ${links} links`,
  }),
  step({
    title: "and breaks when one word of a copy is changed",
    actor: "alice",
    send: async (keyhold) => {
      const lines = await Array.fromAsync(readLines(keyhold.exportAudit()));
      return { data: await verifyChain(lines.join("\n").replace("revealed", "released").split("\n")) };
    },
    status: 200,
    answer: broken,
    tell: ({ line, reason }) => `broken at line ${line}: ${reason}`,
  }),
];

const mustBeRecorded = [
  "tenant.created",
  "member.added",
  "account.created",
  "credential.registered",
  "credential.refused_at_register",
  "credential.validated",
  "credential.used",
  "credential.invoke_finished",
  "credential.revealed",
  "access.refused",
  "credential.revoked",
];

/** The life of one credential, in order. */
export const steps: readonly Step[] = [
  ...opening,
  ...registering,
  ...using,
  ...isolation,
  ...ending,
  ...recorded,
];

function newTenant(keyhold: Client, name: string, subject: string) {
  return keyhold.POST("/api/v1/tenants", { body: { name, owner: { issuer: localIssuerName, subject } } });
}

function addMember(subject: "bob" | "carol"): Step {
  return step({
    title: `alice, who owns it, lets ${subject} in as a trader`,
    actor: "alice",
    send: (keyhold) =>
      keyhold.POST("/api/v1/members", { body: { issuer: localIssuerName, subject, role: "trader" } }),
    status: 201,
    answer: created.extend({ role: z.literal("trader") }),
    tell: ({ id, role }) => `member ${id}, ${role}`,
  });
}

function register(keyhold: Client, scene: Scene, key: IssuedKey, rest: Partial<NewCredential>) {
  const { venue, environment, apiKey: api_key, apiSecret: api_secret } = key;
  const account_id = idOf(scene, "account");
  const body = { account_id, venue, environment, ...rest, secret: { api_key, api_secret } };
  return keyhold.POST("/api/v1/credentials", { body });
}

function fetchBalance(keyhold: Client, scene: Scene) {
  const body = { operation: "fetchBalance" } as const;
  return keyhold.POST(`${credential}/invoke`, { ...at(idOf(scene, "binance")), body });
}

function placeOrder(keyhold: Client, scene: Scene) {
  return keyhold.POST(`${credential}/invoke`, {
    params: { path: { id: idOf(scene, "binance") }, header: { "Idempotency-Key": "demo-order-1" } },
    body: {
      operation: "createOrder",
      params: { symbol: "BTC/USDT", type: "limit", side: "buy", amount: "0.001", price: "30000" },
    },
  });
}

function placedOnce({ simulator, keys }: Scene): boolean {
  const { account, environment } = keys.trading;
  return simulator.control.account("binance", account, environment).orders.length === 1;
}
