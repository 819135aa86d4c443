import { type Command, InvalidArgumentError } from "commander";
import { storeNames, type StoreName } from "../config/stores.ts";
import type { Placed } from "../credentials/reseal.ts";
import { type SecretRef, type Stores } from "../stores/store.ts";
import { type Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import { withCustody, workThrough } from "./operate.ts";
import { collect } from "./options.ts";

const most = 1_000_000;

export function addStoreCommands(program: Command, cli: Cli): void {
  const store = program.command("store").description("where sealed secrets rest; for the operator");
  store
    .command("migrate")
    .description("move all credentials of one store to another, one at a time, while the service runs")
    .requiredOption(
      "--from <store>",
      "where they are; further stores, with commas between them, are looked through for what that one lost",
      parseStores,
    )
    .requiredOption("--to <store>", "where they are to be", parseStore)
    .action((migration: Parameters<typeof migrate>[1]) => migrate(cli, migration));
  store
    .command("check")
    .description("look whether every store holds what the database counts on; nothing is opened")
    .action(() => check(cli));
  store
    .command("variable")
    .description(
      "print the variable that hands the sealed secret of a credential to the store env; nothing is opened",
    )
    .argument("<credential>", "its id")
    .action((id: string) => printVariable(cli, id));
}

/** For the store `env`, from which a migration can take what another store has lost. */
async function printVariable(cli: Cli, id: string): Promise<void> {
  const variable = await withCustody(cli, async ({ custody }) => {
    const [{ inStore }, { describeVariable }] = await Promise.all([
      import("../credentials/reseal.ts"),
      import("../stores/env.ts"),
    ]);
    for (const name of storeNames) {
      const placed = (await inStore(custody.db, name, most)).find((one) => one.id === id);
      if (placed === undefined) continue;
      const ref = refOf(placed);
      const answer = await configured(custody.stores, name).get(ref);
      if (answer.outcome === "found") return describeVariable(ref, answer.fields);
      throw new CliError("refused", `the store ${name} did not give the secret (${answer.outcome})`);
    }
    throw new CliError("usage", `no store has a secret of ${id}`);
  });
  cli.output.text(`${variable.name}=${variable.value}`, variable);
}

function refOf({ tenant_id: tenantId, id: credentialId, venue, environment, version }: Placed): SecretRef {
  return { tenantId, credentialId, venue, environment, version };
}

async function migrate(
  cli: Cli,
  { from, to }: Readonly<{ from: readonly StoreName[]; to: StoreName }>,
): Promise<void> {
  const [source] = from;
  if (source === undefined || source === to)
    throw new CliError("usage", "--from and --to must name different stores");
  const moved = await withCustody(cli, async ({ custody }) => {
    const { inStore, reseal } = await import("../credentials/reseal.ts");
    const target = configured(custody.stores, to);
    const moving = { ...custody, stores: await lookingIn(custody.stores, from) };
    return workThrough(cli, {
      label: `Moving credentials from ${source} to ${to}`,
      left: () => inStore(custody.db, source, most),
      idOf: ({ id }) => id,
      deal: ({ tenant_id, id }) => reseal(moving, tenant_id, id, target),
    });
  });
  cli.output.text(`${moved} credentials moved from ${source} to ${to}.`, { moved, from: source, to });
  cli.output.note(`New secrets go to the first of KEYHOLD_STORES.`);
}

/** The same stores, where what the first of `from` lost is looked for in the others. */
async function lookingIn(stores: Stores, from: readonly StoreName[]): Promise<Stores> {
  const { chain } = await import("../stores/chain.ts");
  const [source, ...others] = from.map((name) => configured(stores, name));
  if (source === undefined) throw new CliError("usage", "--from must name a store");
  const chained = chain(source, ...others);
  return { first: stores.first, get: (name) => (name === source.name ? chained : stores.get(name)) };
}

function configured(stores: Stores, name: StoreName) {
  const store = stores.get(name);
  if (store !== undefined) return store;
  throw new CliError("usage", `the store ${name} is not configured`, { hint: "add it to KEYHOLD_STORES" });
}

async function check(cli: Cli): Promise<void> {
  const missing = await withCustody(cli, async ({ custody }) => {
    const { inStore } = await import("../credentials/reseal.ts");
    const found = [];
    for (const name of storeNames) {
      const placed = await inStore(custody.db, name, most);
      for (const one of placed) {
        const outcome = await lookUp(custody.stores, name, one);
        if (outcome === "found") continue;
        const { tenant_id: tenant, id: credential, version } = one;
        found.push({ store: name, tenant, credential, version, found: outcome });
      }
      if (placed.length > 0) cli.output.note(`${name}: ${placed.length} credentials looked up`);
    }
    return found;
  });
  if (missing.length === 0) return cli.output.text("Every store holds what it should.", { missing });
  cli.output.list({ items: missing, next_cursor: null, count: missing.length }, [
    ["store", ({ store }) => store],
    ["tenant", ({ tenant }) => tenant],
    ["credential", ({ credential }) => credential],
    ["version", ({ version }) => version],
    ["found", ({ found }) => found],
  ]);
  throw new CliError("refused", `${missing.length} credentials are not where they should be`, {
    hint: "restore the store from its snapshot, or have these secrets replaced by their owners",
  });
}

async function lookUp(stores: Stores, name: StoreName, placed: Placed): Promise<string> {
  const store = stores.get(name);
  if (store === undefined) return "the store is not configured";
  const answer = await store.get(refOf(placed));
  return "reason" in answer ? `${answer.outcome}: ${answer.reason}` : answer.outcome;
}

function parseStore(text: string): StoreName {
  const name = storeNames.find((known) => known === text);
  if (name === undefined) throw new InvalidArgumentError(`Give one of ${storeNames.join(", ")}.`);
  return name;
}

function parseStores(text: string, earlier?: readonly StoreName[]): readonly StoreName[] {
  return [...(earlier ?? []), ...collect(text).map(parseStore)];
}
