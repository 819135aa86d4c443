import { binance } from "./binance.ts";
import { bitget } from "./bitget.ts";
import { bybit } from "./bybit.ts";
import type { KeyDriver } from "../exchanges/key-issuing.ts";
import { gate } from "./gate.ts";
import { kucoin } from "./kucoin.ts";
import { okx } from "./okx.ts";

/** The venues whose API creates and deletes keys. */
export const keyDrivers: ReadonlyMap<string, KeyDriver> = new Map(
  [binance, bybit, okx, kucoin, bitget, gate].map((driver) => [driver.venue, driver]),
);
