import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../testkit/until.ts";
import { type OpenTenant, openTenants } from "../ha/desk.ts";
import type { Chance } from "./chance.ts";
import { check, type Checked } from "./check.ts";
import { Client } from "./client.ts";
import { conclude, type Concluded } from "./conclude.ts";
import type { Planned } from "./kinds.ts";
import { Ledger } from "./ledger.ts";
import type { Site } from "./site.ts";
import { strike, type Struck } from "./strike.ts";
import type { Start } from "./supervisor.ts";

export type Plan = Readonly<{
  kills: readonly Planned[];
  /** Credentials that are opened after each kill. */
  opened: number;
}>;

/** Everything that one trial has seen. */
export type Findings = Readonly<{
  ledger: Ledger;
  starts: readonly Start[];
  struck: readonly Struck[];
  checked: readonly Checked[];
  /** `null` where the service could not be started any more. */
  concluded: Concluded | null;
  seconds: number;
}>;

const tenantCount = 2;
const clientCount = 8;
/** Credentials before the first kill. */
const atFirst = 40;

/** Has clients work, kills what they work with again and again, and counts at the end. */
export async function runTrial(
  site: Site,
  plan: Plan,
  chance: Chance,
  say: (line: string) => void,
): Promise<Findings> {
  const { supervisor, simulator } = site;
  const began = performance.now();
  const ledger = new Ledger();
  const struck: Struck[] = [];
  const checked: Checked[] = [];
  const done = (concluded: Concluded | null): Findings => {
    const seconds = (performance.now() - began) / 1000;
    return { ledger, starts: supervisor.starts, struck, checked, concluded, seconds };
  };
  if (!(await supervisor.start())) return done(null);
  const tenants = await openTenants(site, supervisor.origin ?? "", tenantCount);
  const scene = { supervisor, ledger, control: simulator.control, chance };
  const clients = Array.from(
    { length: clientCount },
    (_, number) => new Client(scene, tenantOf(tenants, number)),
  );
  await until("the first credentials", async () => (ledger.entries.length >= atFirst ? true : null));
  for (const [number, planned] of plan.kills.entries()) {
    await sleep(planned.calmMs);
    const one = await strike(supervisor, planned, chance);
    struck.push(one);
    say(`kill ${number + 1} of ${plan.kills.length}: ${tell(one)}`);
    const { origin } = supervisor;
    if (origin === null) break;
    checked.push(await check({ origin, ledger, tenants }, plan.opened, chance));
  }
  await Promise.all(clients.map((client) => client.stop()));
  const { origin } = supervisor;
  if (origin === null) return done(null);
  say("everything is opened, and what is left is looked for");
  const concluded = await conclude(site, ledger, { clients, tenants });
  checked.push(await check({ origin, ledger, tenants }, Infinity, chance));
  return done(concluded);
}

function tenantOf(tenants: readonly OpenTenant[], number: number): OpenTenant {
  const tenant = tenants[number % tenants.length];
  if (tenant === undefined) throw new Error("a trial has tenants");
  return tenant;
}

function tell({ kind, alsoAtStart, downSeconds }: Struck): string {
  const again = downSeconds === null ? "no service any more" : `${downSeconds.toFixed(1)} s`;
  return `${kind}${alsoAtStart ? ", and the next start" : ""}: ${again}`;
}
