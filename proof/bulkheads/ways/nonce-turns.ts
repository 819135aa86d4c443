import { repeat } from "../attacker.ts";
import { silentVenue } from "../site.ts";
import type { Way } from "../way.ts";

const atOnce = 24;
/** Fifty a minute, half of what the default limit permits. */
const everyMs = 1_200;

/** Calls that wait for the turn of one key at a venue that never answers. */
export const nonceTurns: Way = {
  name: "nonce-turns",
  does: "makes calls with one key wait for a venue that never answers",
  first: "the turns that a tenant waits for are bounded",
  second: "what waits for a turn holds no connection",
  seconds: 45,
  flaw: "waits-without-bound",
  prepare: () => Promise.resolve(),
  async attack({ attacker }, until) {
    const send = () => attacker.validate(silentVenue, { api_key: "one-and-the-same", api_secret: "secret" });
    for (let sent = 0; sent < atOnce; sent += 1) void send();
    await repeat(everyMs, until, send);
  },
};
