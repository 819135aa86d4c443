import type { SimulatedVenue } from "../venue.ts";
import { alpaca } from "./alpaca.ts";
import { binance } from "./binance.ts";
import { bitget } from "./bitget.ts";
import { bybit } from "./bybit.ts";
import { coinbase } from "./coinbase.ts";
import { gate } from "./gate.ts";
import { kraken } from "./kraken.ts";
import { kucoin } from "./kucoin.ts";
import { massive } from "./massive.ts";
import { mexc } from "./mexc.ts";
import { okx } from "./okx.ts";

/** Every venue that the simulator can be; with a fixed first port, their hosts follow in this order. */
export const venues: readonly SimulatedVenue[] = [
  binance,
  bybit,
  okx,
  kraken,
  coinbase,
  kucoin,
  bitget,
  gate,
  mexc,
  alpaca,
  massive,
];
