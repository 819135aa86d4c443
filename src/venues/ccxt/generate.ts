/**
 * Writes what the installed ccxt declares of every exchange, so that the serving process need not load ccxt
 * to know it (`exchanges.json`), and which requests follow from each operation (`requests/`). Run it after an
 * update of ccxt: `node src/venues/ccxt/generate.ts`. What changes then is for a person to read.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { AuthenticationError, type Exchange, exchanges } from "ccxt";
import { exchangeTable, traitsOf } from "../exchanges/index.ts";
import { type Operation, operations } from "../operations.ts";
import { type FieldName, fieldNames } from "../venue.ts";
import { callGraph } from "./call-graph.ts";
import { completeCredential, credentialNames } from "./exchange.ts";
import type { ExchangeFacts } from "./list.ts";

/** The table as the installed ccxt would have it. Calls no venue. */
export async function describeExchanges(): Promise<ExchangeFacts[]> {
  const facts: ExchangeFacts[] = [];
  for (const id of Object.keys(exchanges)) facts.push(await describe(id));
  return facts;
}

async function describe(id: string): Promise<ExchangeFacts> {
  const exchange = create(id, {});
  return {
    id,
    name: String(exchange["name"]),
    fields: fieldsOf(exchange),
    sandbox: await hasSandbox(id),
    provable: await isProvable(id),
    operations: (await hasPublicMarkets(id)) ? operationsOf(exchange) : [],
  };
}

/** ccxt declares sandbox hosts for exchanges that refuse to use them, so a request is made to see. */
async function hasSandbox(id: string): Promise<boolean> {
  if (Object.keys(create(id, {}).urls.test ?? {}).length === 0 || traitsOf(id).foreignSandbox === true)
    return false;
  return (await readBalance(id, "1", { isSandbox: true })).requests.length > 0;
}

function create(id: string, config: object): Exchange {
  return new (classOf(id))({ enableRateLimit: false, ...config });
}

export function classOf(id: string): new (config: object) => Exchange {
  const found: unknown = Reflect.get(exchanges, id);
  if (!isClass(found)) throw new TypeError(`ccxt lists ${id} but does not have it`);
  return found;
}

function isClass(value: unknown): value is ReturnType<typeof classOf> {
  return typeof value === "function";
}

function fieldsOf(exchange: Exchange): FieldName[] {
  const required = Object.entries(credentialNames).flatMap(([name, field]) =>
    exchange.requiredCredentials[name] === true ? [field] : [],
  );
  // dYdX declares nothing and takes its key from an option.
  const fields = new Set<FieldName>(required.length === 0 ? ["private_key"] : required);
  return fieldNames.filter((name) => fields.has(name));
}

function operationsOf(exchange: Exchange): string[] {
  return operations
    .filter((operation) => exchange.has[operation.name] === true && isOffered(exchange.id, operation))
    .map(({ name }) => name);
}

/**
 * Money leaves an account only where every request of the exchange was classed by hand: elsewhere ccxt's
 * `transfer` may pay anyone, at LAToken and Paymium by e-mail.
 */
function isOffered(id: string, operation: Operation): boolean {
  if (operation.class === "read" || operation.class === "trade") return true;
  const reviewed = exchangeTable.get(id)?.requests;
  return reviewed !== undefined && (operation.class !== "transfer" || reviewed.transferAccounts !== null);
}

/** Market lists are shared between credentials, so they must come without one. */
async function hasPublicMarkets(id: string): Promise<boolean> {
  const exchange = create(id, { fetchImplementation: async () => new Response("{}") });
  try {
    await exchange.loadMarkets();
    return true;
  } catch (error) {
    return !(error instanceof AuthenticationError);
  }
}

/**
 * Reads the balance twice with different secrets and all else alike: only a signed read makes a difference.
 */
async function isProvable(id: string): Promise<boolean> {
  const first = await readBalance(id, "1");
  const second = await readBalance(id, "2");
  if (first.requests.length === 0) return false;
  return !first.completed || JSON.stringify(first) !== JSON.stringify(second);
}

/** The forms of secrets that some exchanges sign with; every other exchange takes the first. */
const secretForms: readonly ((text: string) => Readonly<{ secret: string; privateKey: string }>)[] = [
  (text) => ({ secret: Buffer.from(text).toString("base64"), privateKey: `0x${text}` }),
  (text) => ({ secret: text.slice(0, 32), privateKey: text.slice(0, 32) }),
  // Base 58: 32 bytes, and 64 for Solana's.
  (text) => ({ secret: text.slice(0, 44), privateKey: text.repeat(2).slice(0, 88) }),
  (text) => ({
    secret: text,
    privateKey: generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }),
  }),
];

/** What a read of the balance sends, with a secret of the first form that anything is sent with. */
async function readBalance(
  id: string,
  digit: string,
  { isSandbox = false } = {},
): ReturnType<typeof readOnce> {
  const text = digit.repeat(64);
  for (const form of secretForms) {
    const read = await readOnce(id, credentialOf(id, { ...otherParts(text), ...form(text) }), isSandbox);
    if (read.requests.length > 0) return read;
  }
  return { requests: [], completed: false };
}

function otherParts(text: string) {
  return {
    apiKey: `account-${text}`,
    password: text,
    token: text,
    uid: "12345",
    accountId: "77",
    walletAddress: `0x${"ab".repeat(20)}`,
  };
}

/**
 * Only the parts that a credential of this exchange has fields for: some exchanges sign in another way when
 * there are more.
 */
function credentialOf(id: string, parts: Readonly<Record<string, string>>): object {
  const fields = fieldsOf(create(id, {}));
  return Object.fromEntries(
    Object.entries(credentialNames).flatMap(([name, field]) =>
      fields.includes(field) ? [[name, parts[name]]] : [],
    ),
  );
}

const fixedTime = 1_700_000_000_000;

async function readOnce(
  id: string,
  credential: object,
  isSandbox: boolean,
): Promise<Readonly<{ requests: readonly unknown[]; completed: boolean }>> {
  const requests: unknown[] = [];
  const exchange = create(id, {
    ...credential,
    fetchImplementation: async (url: string, { method, headers, body }: Record<string, unknown>) => {
      requests.push({ method, url, headers, body });
      return new Response("{}");
    },
  });
  const constants = {
    milliseconds: fixedTime,
    // In seconds, as most exchanges have it: it must fit into 32 bits at GRVT.
    nonce: fixedTime / 1000,
    seconds: fixedTime / 1000,
    uuid: "u",
    uuid22: "u",
  };
  for (const [name, value] of Object.entries(constants)) Reflect.set(exchange, name, () => value);
  if (isSandbox) exchange.setSandboxMode(true);
  exchange["setMarkets"]([]);
  // Where it throws on the empty answer, a signed request may yet have followed.
  const completed = await Promise.try(() => {
    completeCredential(exchange, id);
    return exchange.fetchBalance();
  }).then(
    () => true,
    () => false,
  );
  return { requests, completed };
}

/** Requests by operation; those of the market lists under `loadMarkets`. */
export function reachOf({ id, operations: offered }: ExchangeFacts): Record<string, string[]> {
  const { reach } = callGraph(classOf(id));
  const { has } = create(id, {});
  // What ccxt makes of other calls is not offered, and a read all the same.
  const reads = operations.filter((it) => it.class === "read" && has[it.name] === "emulated");
  const methods = [...offered, ...reads.map(({ name }) => name), "loadMarkets", "fetchBalance"];
  const table = [...new Set(methods)].map((name) => {
    const isRead = operations.find((operation) => operation.name === name)?.class !== "trade";
    const isWanted = (request: string) =>
      !agreement.test(request) && !(isRead && traitsOf(id).onlyRequest === request);
    return [name, reach(name).filter(isWanted)] as const;
  });
  return Object.fromEntries(table);
}

/** Fees for the authors of ccxt, which it approves on the way to something else. */
const agreement = /approve|authorize_builder|builder_codes|referr/i;

function write(name: string, value: unknown): void {
  writeFileSync(new URL(name, import.meta.url), `${JSON.stringify(value, null, 2)}\n`);
}

if (import.meta.main) {
  const facts = await describeExchanges();
  write("exchanges.json", facts);
  const folder = new URL("requests/", import.meta.url);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const exchange of facts) write(`requests/${exchange.id}.json`, reachOf(exchange));
}
