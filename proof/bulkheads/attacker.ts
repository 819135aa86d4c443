import { setTimeout as sleep } from "node:timers/promises";
import type { Client, Validation } from "@keyhold/client";
import { type Answer, ask, type Sent } from "../ha/client.ts";
import type { Site } from "./site.ts";
import { openTenant, setLimits, type Tenant } from "./tenant.ts";

/** A tenant that does harm with what every tenant may do. */
export class Attacker {
  readonly tenant: Tenant;
  readonly #site: Site;
  #sent = 0;

  constructor(site: Site, tenant: Tenant) {
    this.#site = site;
    this.tenant = tenant;
  }

  /** Requests that it has sent so far. */
  get sent(): number {
    return this.#sent;
  }

  async ask<T>(send: (keyhold: Client) => Sent<T>): Promise<Answer<T>> {
    this.#sent += 1;
    return ask(() => send(this.tenant.keyhold));
  }

  /** Asks whether a secret is good, which keeps nothing. */
  validate(venue: string, secret: Readonly<Record<string, string>>): Promise<Answer<Validation>> {
    const body = { venue, environment: "live" as const, secret };
    return this.ask((keyhold) => keyhold.POST("/api/v1/credentials/validate", { body }));
  }

  /** Runs `prepare` without limits, as somebody who takes days over it, and then gives the usual limits back. */
  async takeItsTime(prepare: () => Promise<void>): Promise<void> {
    await setLimits(this.#site, this.tenant.id, "none");
    await prepare();
    await setLimits(this.#site, this.tenant.id, "usual");
  }
}

export async function openAttacker(site: Site): Promise<Attacker> {
  return new Attacker(site, await openTenant(site, "attacker", "usual"));
}

/** Calls `send` at this pace until the signal comes; answers that are still out may come later. */
export async function repeat(
  everyMs: number,
  until: AbortSignal,
  send: () => Promise<unknown>,
): Promise<void> {
  while (!until.aborted) {
    // An attacker does not mind what comes of it.
    send().catch(() => undefined);
    await pause(everyMs, until);
  }
}

/** Ends early when the signal comes. */
export async function pause(milliseconds: number, until: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal: until }).catch(() => undefined);
}
