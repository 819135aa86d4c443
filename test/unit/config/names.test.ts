import { describe, expect, test } from "vitest";
import { startApp } from "../../../src/app.ts";
import { readConfig } from "../../../src/config/config.ts";
import { nearNames } from "../../../src/near-names.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { assertVenueNames } from "../../../src/venues/index.ts";

const start = (environment: Readonly<Record<string, string>>) =>
  startApp(readConfig({ KEYHOLD_FOLDER: "/nowhere/at/all", ...environment }), createLog("silent"));

describe("a setting that names a venue", () => {
  test.each([
    ["KEYHOLD_VENUE_HOSTS", { krakn: "https://proxy.example" }, "krakn", "kraken"],
    ["KEYHOLD_VENUE_HOSTS", { Binance: "https://proxy.example" }, "Binance", "binance"],
    ["KEYHOLD_VENUE_HOSTS", { kucoinfuture: "https://proxy.example" }, "kucoinfuture", "kucoinfutures"],
    ["KEYHOLD_VENUE_PROXIES", { coinbse: "http://proxy.example:3128" }, "coinbse", "coinbase"],
    ["KEYHOLD_EGRESS_ADDRESSES", { kraken: ["192.0.2.1"], bitgt: ["192.0.2.1"] }, "bitgt", "bitget"],
    [
      "KEYHOLD_VENUE_HOSTS",
      { alpaca: { live: "https://a.example", papr: "https://b.example" } },
      "papr",
      "paper",
    ],
    ["KEYHOLD_VENUE_HOSTS", { kraken: { testnet: "https://a.example" } }, "testnet", null],
    ["KEYHOLD_VENUE_HOSTS", { polygon: "https://a.example" }, "polygon", "massive"],
    ["KEYHOLD_VENUE_PROXIES", { nowhere: "http://proxy.example" }, "nowhere", null],
  ])("stops the start where there is none: %s %j", async (variable, value, wrong, near) => {
    const refused = Promise.try(() => start({ [variable]: JSON.stringify(value) }));
    await expect(refused).rejects.toThrow(new RegExp(`^${variable} `));
    if (wrong !== null) await expect(refused).rejects.toThrow(new RegExp(`names ${wrong}, which is`));
    if (near !== null) await expect(refused).rejects.toThrow(new RegExp(`\\b${near}\\b`));
  });

  test("stops no start where there is one", () => {
    const hosts = { myokx: "https://a.example", alpaca: { paper: "https://b.example" } };
    const named = {
      hosts,
      proxies: { massive: "http://proxy.example" },
      egressAddresses: { bybiteu: ["192.0.2.1"] },
    };
    expect(() => assertVenueNames(named)).not.toThrow();
    expect(() => assertVenueNames({ egressAddresses: ["192.0.2.1"] })).not.toThrow();
  });
});

describe("a word of a list that is nearly one that is known", () => {
  test.each([
    ["KEYHOLD_STORES", "vualt,postgres", "vualt", "vault"],
    ["KEYHOLD_KEYS", "flie", "flie", "file"],
    ["KEYHOLD_ROLE", "apii", "apii", "api"],
    ["KEYHOLD_LOG_LEVEL", "warning", null, null],
    ["KEYHOLD_DATABASE_TLS", "canary-9d21", null, null],
  ])("is named beside it: %s=%s", (variable, value, wrong, near) => {
    const read = () => readConfig({ [variable]: value });
    expect(read).toThrow(new RegExp(`^${variable} must be `));
    if (wrong === null) expect(read).not.toThrow(new RegExp(value));
    else expect(read).toThrow(new RegExp(`It names ${wrong}: did you mean ${near}\\?$`));
  });

  test("is near to few names, the nearest first", () => {
    expect(nearNames("bybite", ["kraken", "bybit", "bybiteu", "bybitid"])).toEqual([
      "bybit",
      "bybiteu",
      "bybitid",
    ]);
    expect(nearNames("zzz", ["kraken", "api"])).toEqual([]);
  });
});
