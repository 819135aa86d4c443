import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { Secret } from "../../../src/crypto/secret.ts";
import { exchangeList } from "../../../src/venues/ccxt/list.ts";
import { createVenues, egressAddresses } from "../../../src/venues/index.ts";
import { environments, type FieldName, fieldNames } from "../../../src/venues/venue.ts";

const venues = createVenues();

afterAll(() => venues.close());

describe("the registry of venues", () => {
  test("has every exchange of ccxt, and Alpaca and Massive of our own", () => {
    const ids = venues.list().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining([...exchangeList.map(({ id }) => id), "alpaca", "massive"]));
  });

  test("describes each with known words, and gets it by its id", () => {
    for (const description of venues.list()) {
      expect(venues.get(description.id)?.description).toBe(description);
      expect(fieldNames).toEqual(expect.arrayContaining([...description.fields]));
      expect(environments).toEqual(expect.arrayContaining([...description.environments]));
      expect(description.environments).toContain("live");
      expect(description.fields.length).toBeGreaterThan(0);
    }
  });

  test("takes Polygon for Massive, and knows no other names", () => {
    expect(venues.get("polygon")?.description.id).toBe("massive");
    expect(venues.get("nowhere")).toBeUndefined();
    expect(venues.get("constructor")).toBeUndefined();
    expect(venues.get("toString")).toBeUndefined();
  });

  test("has Alpaca's stocks, not ccxt's Alpaca", () => {
    expect(venues.get("alpaca")?.description).toMatchObject({
      environments: ["live", "paper"],
      operations: expect.arrayContaining(["account", "fetchPositions"]),
    });
  });

  test("says where nonces rise", () => {
    expect(venues.get("kraken")?.description.risingNonce).toBe(true);
    expect(venues.get("binance")?.description.risingNonce).toBe(false);
  });
});

describe("a credential that is not complete", () => {
  const inspect = (texts: Partial<Record<FieldName, string>>, environment: "live" | "paper" = "live") => {
    const fields = new Map<FieldName, Secret>();
    for (const name of fieldNames) {
      const text = texts[name];
      if (text !== undefined) fields.set(name, Secret.fromText(text));
    }
    return venues.get("kucoin")?.inspect({ tenantId: "tenant", environment, fields });
  };

  test.each([
    [{}, "api_key"],
    [{ api_key: "k", api_secret: "s" }, "passphrase"],
    [{ api_key: "k", api_secret: "", passphrase: "p" }, "api_secret"],
  ])("is malformed without asking anybody: %o", async (texts, missing) => {
    expect(await inspect(texts)).toEqual({
      outcome: "rejected",
      reason: "malformed",
      unsent: true,
      message: `KuCoin needs the field ${missing}.`,
    });
  });

  test("is rejected for an environment that the venue does not have", async () => {
    expect(await inspect({ api_key: "k", api_secret: "s", passphrase: "p" }, "paper")).toMatchObject({
      outcome: "rejected",
      reason: "wrong_environment",
    });
  });
});

describe("the serving process", () => {
  const run = promisify(execFile);
  const load = (module: string) => {
    const url = JSON.stringify(new URL(module, import.meta.url).href);
    const script = `
      import { registerHooks } from "node:module";
      const loaded = [];
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
      await import(${url}).then((module) => module.createVenues?.());
      console.log(loaded.filter((url) => url.includes("/node_modules/ccxt/")).length);`;
    return run(process.execPath, ["--input-type=module", "--eval", script]);
  };

  test("loads nothing of ccxt to know the venues", async () => {
    expect((await load("../../../src/venues/index.ts")).stdout.trim()).toBe("0");
    // The control: the same look at a module that does load it.
    expect(Number((await load("../../../src/venues/ccxt/generate.ts")).stdout)).toBeGreaterThan(0);
  });
});

describe("the addresses that venues see", () => {
  test("are told for all venues or for each", () => {
    expect(egressAddresses({ egressAddresses: ["192.0.2.1"] }, "okx")).toEqual(["192.0.2.1"]);
    expect(egressAddresses({ egressAddresses: { okx: ["192.0.2.2"] } }, "okx")).toEqual(["192.0.2.2"]);
    expect(egressAddresses({ egressAddresses: { okx: ["192.0.2.2"] } }, "gate")).toEqual([]);
    expect(egressAddresses({}, "okx")).toEqual([]);
  });
});
