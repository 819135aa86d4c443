import type { SimulatedVenue } from "../venue.ts";
import { alpaca } from "./alpaca.ts";
import { binance } from "./binance.ts";
import { bybit } from "./bybit.ts";
import { coinbase } from "./coinbase.ts";
import { gate } from "./gate.ts";
import { kraken } from "./kraken.ts";
import { kucoin } from "./kucoin.ts";
import { mexc } from "./mexc.ts";
import { okx } from "./okx.ts";

/** Every venue that the simulator can be. */
export const venues: readonly SimulatedVenue[] = [
  binance,
  bybit,
  okx,
  kraken,
  coinbase,
  kucoin,
  gate,
  mexc,
  alpaca,
];
