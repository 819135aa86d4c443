import type { Command } from "commander";
import { venueIdOf } from "../venues/former-names.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import type { Column } from "./output.ts";
import { nearNames } from "../near-names.ts";
import type { Operation, Venue } from "./shapes.ts";

const columns: readonly Column<Venue>[] = [
  ["venue", ({ id }) => id],
  ["name", ({ name }) => name],
  ["environments", ({ environments }) => environments],
  ["fields", ({ fields }) => fields],
];

export function addVenuesCommand(program: Command, cli: Cli): void {
  program
    .command("venues")
    .description("where credentials can be used, and the fields that each venue needs")
    .argument("[venue]", "one venue, with its operations")
    .argument("[operation]", "one operation, with its class and parameters")
    .action(async (id: string | undefined, operation: string | undefined) => {
      if (id !== undefined && operation !== undefined) return showOperation(cli, id, operation);
      const page = await (await cli.api()).venues();
      if (id === undefined) return cli.output.list(page, columns);
      const venue = findVenue(page.items, id);
      cli.output.one(venue, [
        ...columns,
        ["can prove a key", ({ provable }) => provable],
        ["seen from", ({ egress_addresses }) => egress_addresses],
        ["operations", ({ operations }) => operations],
        ["transfers between", ({ transfer_accounts }) => transfer_accounts],
      ]);
    });
}

async function showOperation(cli: Cli, venueName: string, name: string): Promise<void> {
  const api = await cli.api();
  const { id: venue } = findVenue((await api.venues()).items, venueName);
  const { items } = await api.operations(venue);
  const operation = items.find((one) => one.name === name);
  if (operation !== undefined) return cli.output.one(operation, described);
  const names = items.map((one) => one.name);
  const hint = hintFor(name, names, `keyhold venues ${venue}`);
  throw new CliError("usage", `${venue} has no operation ${name}`, { hint });
}

/** The names that are near, or the command that lists all. */
function hintFor(name: string, names: readonly string[], command: string): string {
  const near = nearNames(name, names);
  return near.length === 0 ? `\`${command}\` lists them` : `did you mean ${near.join(" or ")}?`;
}

const described: readonly Column<Operation>[] = [
  ["operation", ({ name }) => name],
  ["class", ({ class: kind }) => kind],
  ["idempotency key", ({ class: kind }) => (kind === "read" ? "not needed" : "required")],
  ["parameters", ({ params }) => Object.keys(params.properties).map((name) => describeParam(params, name))],
];

/** `limit:=integer`, as `invoke --param` takes it; what may be left out is in brackets. */
function describeParam({ properties, required }: Operation["params"], name: string): string {
  const { type, enum: words } = properties[name] ?? {};
  const kind = Array.isArray(words) ? words.join("|") : typeof type === "string" ? type : "string";
  const isText = kind === "string" || Array.isArray(words);
  const shown = `${name}${isText ? "=" : ":="}${kind}`;
  return required.includes(name) ? shown : `[${shown}]`;
}

/** The venue of this id, or of a name that people have for it. Throws `CliError` where the service does not know it. */
export function findVenue(venues: readonly Venue[], name: string): Venue {
  const venue = venueNamed(venues, name);
  if (venue !== undefined) return venue;
  const ids = venues.map(({ id }) => id);
  throw new CliError("usage", `the service knows no venue ${name}`, {
    hint: hintFor(name, ids, "keyhold venues"),
  });
}

export function venueNamed(venues: readonly Venue[], name: string): Venue | undefined {
  const id = venueIdOf(name);
  return venues.find((venue) => venue.id === id);
}
