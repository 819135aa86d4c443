import { at } from "@keyhold/client";
import { verifyChain } from "../../src/audit/chain.ts";
import { readLines } from "../../src/cli/audit.ts";
import { until } from "../../testkit/until.ts";
import { ask, connect } from "../ha/client.ts";
import type { OpenTenant } from "../ha/desk.ts";
import type { Chance } from "./chance.ts";
import { revealOnce } from "./client.ts";
import type { Entry, Ledger } from "./ledger.ts";

/** What was asked of a service, and how often the answer was wrong. */
export type Checked = Readonly<{
  /** Acknowledged credentials, and those of them whose secret could not be had. Whether it is the right one is noted in the ledger. */
  opened: number;
  lost: number;
  /** Revoked credentials, and those that are not revoked any more. */
  revoked: number;
  back: number;
  /** Chains of the record, and those that do not hold. */
  chains: number;
  broken: number;
}>;

type Asked = Readonly<{ origin: string; ledger: Ledger; tenants: readonly OpenTenant[] }>;

const workers = 8;
/** For a service that has just started, on a machine that may be busy. */
const patienceMs = 60_000;

/** Opens up to `most` secrets and looks at as many revoked credentials, drawn by chance, and verifies the exports of all chains. */
export async function check(
  { origin, ledger, tenants }: Asked,
  most: number,
  chance: Chance,
): Promise<Checked> {
  const of = (revoked: boolean): readonly Entry[] =>
    chance
      .shuffled(ledger.entries.filter((entry) => !entry.isBusy && entry.revoked === revoked))
      .slice(0, most);
  const [live, revoked] = [of(false), of(true)];
  for (const entry of live) entry.isBusy = true;
  const opened = await inTurn(live, async (entry) => {
    const isOpen = await opensAtLast(origin, entry, ledger);
    entry.isBusy = false;
    return isOpen;
  });
  const ends = await inTurn(revoked, (entry) => isRevoked(origin, entry));
  const chains = await Promise.all(tenants.map((tenant) => verifyExport(origin, tenant)));
  return {
    opened: live.length,
    lost: opened.filter((isOpen) => !isOpen).length,
    revoked: revoked.length,
    back: ends.filter((isEnd) => !isEnd).length,
    chains: chains.length,
    broken: chains.filter((chain) => !chain.intact || !chain.complete).length,
  };
}

async function opensAtLast(origin: string, entry: Entry, ledger: Ledger): Promise<boolean> {
  const asked = async (): Promise<true | null> => ((await revealOnce(origin, entry, ledger)) ? true : null);
  return until("a secret", asked, patienceMs).catch(() => false);
}

async function isRevoked(origin: string, { kept: { id, tenant } }: Entry): Promise<boolean> {
  const asked = async (): Promise<{ status: string } | null> => {
    const keyhold = connect(origin, tenant.token);
    return (await ask(() => keyhold.GET("/api/v1/credentials/{id}", at(id)))).body;
  };
  const found = await until("a credential", asked, patienceMs).catch(() => ({ status: null }));
  return found.status === "revoked";
}

/** Verifies the record of a tenant from an export of it; `line` sees each of its lines. */
export async function verifyExport(
  origin: string,
  { id, token }: OpenTenant,
  line: (text: string) => void = () => {},
): ReturnType<typeof verifyChain> {
  const lines = readLines(connect(origin, token).exportAudit());
  async function* seen(): AsyncGenerator<string> {
    for await (const text of lines) {
      line(text);
      yield text;
    }
  }
  return verifyChain(seen(), { tenant: id });
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const [waiting, results]: [T[], R[]] = [[...items], []];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift())
      results.push(await work(item));
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return results;
}
