import type { Command } from "commander";
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
        ["seen from", ({ egress_addresses }) => egress_addresses],
        ["operations", ({ operations }) => operations],
        ["transfers between", ({ transfer_accounts }) => transfer_accounts],
      ]);
    });
}

/** Throws `CliError` for a venue that the service does not know. */
export function findVenue(venues: readonly Venue[], id: string): Venue {
  const venue = venues.find((one) => one.id === id);
  if (venue !== undefined) return venue;
  throw new CliError("usage", `the service knows no venue ${id}`, { hint: "`keyhold venues` lists them" });
}
