import { answerOf, at, type Client, type VenueList, type VenueOperations } from "@keyhold/client";
import type { Command } from "commander";
import { z } from "zod";
import { nearNames } from "../near-names.ts";
import { venueIdOf } from "../venues/venue.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import type { Column } from "./output.ts";

export type Venue = VenueList["items"][number];

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
    .action(async (name: string | undefined, operation: string | undefined) => {
      const api = await cli.api();
      if (name === undefined) return cli.output.list(await answerOf(api.GET("/api/v1/venues")), columns);
      const venue = await askVenue(api, name);
      if (operation !== undefined)
        return cli.output.one(await askOperation(api, venue.id, operation), described);
      cli.output.one(venue, [
        ...columns,
        ["can prove a key", ({ provable }) => provable],
        ["seen from", ({ egress_addresses }) => egress_addresses],
        ["operations", ({ operations }) => operations],
        ["transfers between", ({ transfer_accounts }) => transfer_accounts],
      ]);
    });
}

/**
 * The venue of this id, or of a name that people have for it. Throws `CliError` where the service does not
 * know it.
 */
export async function askVenue(api: Client, name: string): Promise<Venue> {
  const { items } = await answerOf(api.GET("/api/v1/venues"));
  const venue = venueNamed(items, name);
  if (venue !== undefined) return venue;
  const ids = items.map(({ id }) => id);
  throw new CliError("usage", `the service knows no venue ${name}`, {
    hint: hintFor(name, ids, "keyhold venues"),
  });
}

export function venueNamed<T extends Pick<Venue, "id">>(venues: readonly T[], name: string): T | undefined {
  const id = venueIdOf(name);
  return venues.find((venue) => venue.id === id);
}

/** Throws `CliError` where the venue has no such operation. */
async function askOperation(api: Client, venue: string, name: string) {
  const { items } = await answerOf(api.GET("/api/v1/venues/{id}/operations", at(venue)));
  const operation = items.find((one) => one.name === name);
  if (operation !== undefined) return operation;
  const names = items.map((one) => one.name);
  const hint = hintFor(name, names, `keyhold venues ${venue}`);
  throw new CliError("usage", `${venue} has no operation ${name}`, { hint });
}

/** The names that are near, or the command that lists all. */
function hintFor(name: string, names: readonly string[], command: string): string {
  const near = nearNames(name, names);
  return near.length === 0 ? `\`${command}\` lists them` : `did you mean ${near.join(" or ")}?`;
}

const described: readonly Column<VenueOperations["items"][number]>[] = [
  ["operation", ({ name }) => name],
  ["class", ({ class: kind }) => kind],
  ["idempotency key", ({ class: kind }) => (kind === "read" ? "not needed" : "required")],
  ["parameters", ({ params }) => describeParams(params)],
];

/** As much of a JSON Schema as describes parameters. */
const schema = z.object({
  properties: z
    .record(z.string(), z.object({ type: z.unknown().optional(), enum: z.array(z.unknown()).optional() }))
    .default({}),
  required: z.array(z.string()).default([]),
});

/** `limit:=integer`, as `invoke --param` takes it; what may be left out is in brackets. */
function describeParams(params: object): readonly string[] {
  const { properties, required } = schema.parse(params);
  return Object.entries(properties).map(([name, { type, enum: words }]) => {
    const kind = words?.join("|") ?? (typeof type === "string" ? type : "string");
    const shown = `${name}${kind === "string" || words !== undefined ? "=" : ":="}${kind}`;
    return required.includes(name) ? shown : `[${shown}]`;
  });
}
