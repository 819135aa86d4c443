import type { Command } from "commander";
import { venueIdOf } from "../venues/former-names.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import type { Column } from "./output.ts";
import type { Venue } from "./shapes.ts";

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
    .action(async (id: string | undefined) => {
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

/** The venue of this id, or of a name that people have for it. Throws `CliError` where the service does not know it. */
export function findVenue(venues: readonly Venue[], name: string): Venue {
  const venue = venueNamed(venues, name);
  if (venue !== undefined) return venue;
  throw new CliError("usage", `the service knows no venue ${name}`, { hint: "`keyhold venues` lists them" });
}

export function venueNamed(venues: readonly Venue[], name: string): Venue | undefined {
  const id = venueIdOf(name);
  return venues.find((venue) => venue.id === id);
}
