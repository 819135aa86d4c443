import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openExchange } from "../../../../src/venues/ccxt/exchange.ts";
import { operationPermit } from "../../../../src/venues/ccxt/gate.ts";
import type { Exchange } from "../../../../src/venues/ccxt/instance.ts";
import { operations } from "../../../../src/venues/operations.ts";
import type { HttpRequest } from "../../../../src/venues/process/bounded-fetch.ts";
import { type Open, type Sent, sweep } from "./sweep.ts";

const source = new URL("./src/", import.meta.resolve("ccxt"));

const known = new Map<string, string[]>();

/** Ids in ccxt's own source of an exchange that stand beside the words for a share of fees. */
function idsOf(id: string): string[] {
  const ids = known.get(id) ?? readIds(id);
  known.set(id, ids);
  return ids;
}

function readIds(id: string): string[] {
  const lines = readFileSync(new URL(`${id}.js`, source), "utf8").split("\n");
  const parents = lines.flatMap((line) => /^import \w+ from '\.\/(\w+)\.js'/.exec(line)?.[1] ?? []);
  const own = lines
    .filter((line) =>
      /broker|builder|referral_code|integrator|defaultId|AA03022abc|x-[A-Za-z0-9]{8}\b/i.test(line),
    )
    .flatMap((line) => [...line.matchAll(/'((?=[^']*\d)[A-Za-z0-9-]{4,42})'/g)].map(([, text = ""]) => text))
    .filter((text) => !/^(EIP712|v\d|sapi|orders?)/.test(text));
  return [...new Set([...own, ...parents.flatMap(idsOf)])];
}

function operationNamed(name: string) {
  const found = operations.find((operation) => operation.name === name);
  if (found === undefined) throw new RangeError(`no operation ${name}`);
  return found;
}

const agreements = /approve|builder|refer(ral|rer)|integrator|affiliate/i;

/** Why a request speaks for ccxt, if it does. */
function marksOf({ id, request: { url, headers, body = "" } }: Sent): string[] {
  const { pathname, search } = new URL(url);
  const path = pathname.replaceAll("/api/ccxt/", "/api/");
  const text = `${path}${search} ${JSON.stringify(headers)} ${body}`;
  const found = idsOf(id).filter((mark) => text.includes(mark));
  // Signatures and keys hold any letters.
  if (/ccxt/i.test(text.replaceAll(/[\w+/=-]{40,}/g, ""))) found.push("ccxt's name");
  if (agreements.test(text)) found.push("an agreement about fees");
  return found;
}

function marked(sent: readonly Sent[]): string[] {
  return [...new Set(sent.flatMap((it) => marksOf(it).map((mark) => `${it.id} ${it.operation}: ${mark}`)))];
}

const withDefaults: Open = async ({ id }, fields, send) => {
  const module: { default: new (config: object) => Exchange } = await import(
    new URL(`${id}.js`, source).href
  );
  return new module.default({
    enableRateLimit: false,
    apiKey: fields.get("api_key"),
    secret: fields.get("api_secret"),
    password: fields.get("passphrase"),
    uid: fields.get("uid"),
    login: "login",
    accountId: fields.get("uid"),
    walletAddress: fields.get("wallet_address"),
    privateKey: fields.get("private_key"),
    token: fields.get("token"),
    fetchImplementation: async (url: string, { method, headers, body }: HttpRequest) =>
      send({ method, url, headers, ...(body === undefined ? {} : { body }) }),
  });
};

const asKeyhold: Open = async ({ id, operation }, fields, send) =>
  openExchange(id, "live", {
    fields,
    permit: await operationPermit(id, operationNamed(operation)),
    send: async (request) => {
      const answer = send(request);
      return { status: answer.status, headers: new Map(answer.headers), body: await answer.text() };
    },
  });

describe("what Keyhold sends to a venue", () => {
  test("names no broker, builder or referrer, at any exchange and in any operation", async () => {
    const { sent, withheld } = await sweep(asKeyhold, () => true);
    expect([...withheld]).toEqual([]);
    const exchanges = new Set(sent.map(({ id }) => id));
    expect(exchanges.size).toBeGreaterThan(95);
    expect(marked(sent)).toEqual([]);
  }, 600_000);

  test("keeps every header that it is signed with, whatever words the credential holds", async () => {
    const isWanted = (_id: string, operation: string) => operation === "fetchBalance";
    const namesIn = async (word: string): Promise<string[]> => {
      const { sent } = await sweep(asKeyhold, isWanted, word);
      return sent.map(
        ({ id, request }) => `${id} ${request.method} ${Object.keys(request.headers).join(" ")}`,
      );
    };
    const plain = await namesIn("");
    expect(plain.length).toBeGreaterThan(80);
    expect(await namesIn("CCXT/ccxt-Broker-referral-partner")).toEqual(plain);
  }, 600_000);

  test("would be found to do so with the defaults of ccxt", async () => {
    const isWanted = (_id: string, operation: string) => /createOrder|fetchBalance/.test(operation);
    const found = marked((await sweep(withDefaults, isWanted)).sent);
    const ids = new Set(found.map((it) => it.split(" ")[0]));
    expect(found).toContain("aster fetchBalance: an agreement about fees");
    expect(found).toContain("hyperliquid createOrder: an agreement about fees");
    expect(found).toContain("pacifica createOrder: an agreement about fees");
    expect(ids.size).toBeGreaterThan(30);
  }, 600_000);
});
