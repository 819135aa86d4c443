import type { Key } from "./accounts.ts";
import { Refused } from "./refusal.ts";
import type { WireRequest } from "./request.ts";
import type { VenueState } from "./venue-state.ts";
import type { Claim, PrivateRoute } from "./venue.ts";

const defaultWindowMs = 5000;

/**
 * Decides whether a request may do what its route does: key, signature, passphrase, clock, nonce, then what
 * binds the key. A nonce counts as used once the signature holds. Throws `Refused`.
 */
export function authenticate(state: VenueState, request: WireRequest, needs: PrivateRoute["needs"]): Key {
  const { venue } = state;
  const claim = venue.claim(request);
  const key = state.accounts.key(claim.apiKey);
  if (key === undefined || key.revoked) throw new Refused("unknown_key");
  if (!atHome(key, state, request)) throw new Refused("wrong_environment");
  if (!venue.signatureHolds(request, key)) throw new Refused("bad_signature");
  if (venue.passphraseHolds?.(request, key) === false) throw new Refused("wrong_passphrase");
  checkClock(claim, state.nowMs());
  takeNonce(claim, key);
  checkBounds(key, request, state.nowMs());
  if (needs !== "key" && !key.permissions[needs]) throw new Refused("insufficient_permission");
  return key;
}

function atHome(key: Key, { venue }: VenueState, request: WireRequest): boolean {
  const { environment } = key.account;
  const demo = venue.isDemo?.(request.headers);
  return demo === undefined ? environment === request.environment : demo === (environment !== "live");
}

function checkClock(
  { signedAtMs, windowMs = defaultWindowMs, aheadMs = windowMs }: Claim,
  nowMs: number,
): void {
  if (signedAtMs === undefined) return;
  const ageMs = nowMs - signedAtMs;
  // Written so that a time that is no number is refused too.
  if (!(ageMs <= windowMs && -ageMs <= aheadMs)) throw new Refused("clock_skew");
}

function takeNonce({ nonce }: Claim, key: Key): void {
  if (nonce === undefined) return;
  if (nonce <= key.lastNonce) throw new Refused("bad_nonce");
  key.lastNonce = nonce;
}

function checkBounds(key: Key, request: WireRequest, nowMs: number): void {
  if (key.expiresAtMs !== null && key.expiresAtMs <= nowMs) throw new Refused("expired_key");
  if (key.account.locked) throw new Refused("account_locked");
  if (key.boundIps.length > 0 && !key.boundIps.includes(request.address)) throw new Refused("ip_not_allowed");
}
