import { z } from "zod";
import { localIssuerName } from "../src/access/local-issuer.ts";
import { verifyChain } from "../src/audit/chain.ts";
import { type Column, table } from "../src/cli/output.ts";
import type { IssuedKey } from "../simulator/control.ts";
import { idOf, type Scene } from "./stage.ts";
import { refused, type Step, step } from "./step.ts";
import { readLines } from "../src/cli/audit.ts";

const created = z.object({ id: z.string() });
const tenantCreated = z.object({ tenant: created });

const opening: readonly Step[] = [
  step({
    title: "the operator opens a tenant, and sees nothing inside it",
    actor: "operator",
    send: () => newTenant("Northwind Trading", "alice"),
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
    send: () => ({ method: "POST", path: "/accounts", body: { name: "Main" } }),
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
    send: (scene) => {
      const policy = { allow: ["read", "trade"], reveal: true };
      return register(scene, scene.keys.trading, { label: "main", policy });
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
    send: (scene) => register(scene, scene.keys.withdrawing, { label: "withdrawing" }),
    status: 422,
    code: "withdraw_refused",
  }),
  refused({
    title: "a key with a wrong secret is refused",
    actor: "bob",
    send: (scene) => {
      const { apiSecret } = scene.keys.withdrawing;
      return register(scene, { ...scene.keys.trading, apiSecret }, { label: "mistyped" });
    },
    status: 422,
    code: "venue_rejected",
  }),
  step({
    title: "bob registers an Alpaca paper key",
    actor: "bob",
    send: (scene) => register(scene, scene.keys.paper, {}),
    status: 201,
    answer: created.extend({ status: z.literal("active"), account: z.object({ type: z.literal("paper") }) }),
    tell: ({ status, account }) => `${status}; an account of type ${account.type}`,
    learn: ({ id }) => [["alpaca", id]],
  }),
  step({
    title: "and asks Alpaca about it once more",
    actor: "bob",
    send: (scene) => ({ method: "POST", path: `/credentials/${idOf(scene, "alpaca")}/validate` }),
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
    send: (scene) => invoke(scene, { operation: "fetchBalance" }),
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
    send: (scene) => ({
      method: "POST",
      path: `/credentials/${idOf(scene, "binance")}/reveal`,
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
    send: () => newTenant("Rival Capital", "eve"),
    status: 201,
    answer: tenantCreated,
    tell: ({ tenant }) => `tenant ${tenant.id}`,
    learn: ({ tenant }) => [["rival", tenant.id]],
  }),
  refused({
    title: "its owner asks for bob's credential: to another tenant it does not exist",
    actor: "eve",
    send: (scene) => ({ method: "GET", path: `/credentials/${idOf(scene, "binance")}` }),
    status: 404,
    code: "not_found",
  }),
  refused({
    title: "carol, of bob's tenant, may not touch it",
    actor: "carol",
    send: (scene) => ({ method: "GET", path: `/credentials/${idOf(scene, "binance")}` }),
    status: 403,
    code: "forbidden",
  }),
];

const ending: readonly Step[] = [
  step({
    title: "bob revokes the credential: its secret is destroyed, what is known of it stays",
    actor: "bob",
    send: (scene) => ({ method: "POST", path: `/credentials/${idOf(scene, "binance")}/revoke` }),
    status: 200,
    answer: z.object({ status: z.literal("revoked") }),
    tell: ({ status }) => status,
  }),
  refused({
    title: "and it is of no more use",
    actor: "bob",
    send: (scene) => invoke(scene, { operation: "fetchBalance" }),
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
    send: () => ({ method: "GET", path: "/audit/events?limit=100" }),
    status: 200,
    answer: z.object({ items: z.array(event) }),
    holds: (_scene, { items }) => mustBeRecorded.every((name) => items.some((item) => item.event === name)),
    tell: ({ items }) => `${items.length} events\n${table(items.toReversed(), eventColumns)}`,
  }),
  step({
    title: "its chain of hashes holds",
    actor: "alice",
    send: () => ({ method: "GET", path: "/audit/export" }),
    read: async (response) => verifyChain(readLines(response.body ?? new ReadableStream())),
    status: 200,
    answer: intact,
    tell: ({ links, events }) => `intact: ${events} events in ${links} links`,
  }),
  step({
    title: "and breaks when one word of a copy is changed",
    actor: "alice",
    send: () => ({ method: "GET", path: "/audit/export" }),
    read: async (response) =>
      verifyChain((await response.text()).trimEnd().replace("revealed", "released").split("\n")),
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

function newTenant(name: string, subject: string) {
  return {
    method: "POST",
    path: "/tenants",
    body: { name, owner: { issuer: localIssuerName, subject } },
  } as const;
}

function addMember(subject: "bob" | "carol"): Step {
  return step({
    title: `alice, who owns it, lets ${subject} in as a trader`,
    actor: "alice",
    send: () => ({
      method: "POST",
      path: "/members",
      body: { issuer: localIssuerName, subject, role: "trader" },
    }),
    status: 201,
    answer: created.extend({ role: z.literal("trader") }),
    tell: ({ id, role }) => `member ${id}, ${role}`,
  });
}

function register(scene: Scene, key: IssuedKey, rest: object) {
  const { venue, environment, apiKey: api_key, apiSecret: api_secret } = key;
  const account_id = idOf(scene, "account");
  const body = { account_id, venue, environment, ...rest, secret: { api_key, api_secret } };
  return { method: "POST", path: "/credentials", body } as const;
}

function invoke(scene: Scene, body: object, headers: Record<string, string> = {}) {
  return { method: "POST", path: `/credentials/${idOf(scene, "binance")}/invoke`, body, headers } as const;
}

function placeOrder(scene: Scene) {
  const params = { symbol: "BTC/USDT", type: "limit", side: "buy", amount: "0.001", price: "30000" };
  return invoke(scene, { operation: "createOrder", params }, { "idempotency-key": "demo-order-1" });
}

function placedOnce({ simulator, keys }: Scene): boolean {
  const { account, environment } = keys.trading;
  return simulator.control.account("binance", account, environment).orders.length === 1;
}
