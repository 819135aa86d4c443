import { parseArgs } from "node:util";
import { startSimulator } from "./simulator.ts";
import type { Simulator } from "./simulator.ts";
import { venueIds } from "./venue.ts";

const usage = `node simulator/main.ts [--port <number>]

Runs every simulated venue until it is interrupted. With --port, the control API
listens there and the venues on the ports that follow.
`;

const { values } = parseArgs({
  options: { port: { type: "string" }, help: { type: "boolean", short: "h" } },
});
if (values.help === true) {
  process.stdout.write(usage);
} else {
  const simulator = await startSimulator(values.port === undefined ? {} : { port: Number(values.port) });
  const stop = (): void => void simulator.close();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  process.stdout.write(describe(simulator));
}

function describe({ hosts, control, controlUrl }: Simulator): string {
  const lines = hosts.map(
    ({ venue, environment, url }) => `  ${venue.padEnd(9)} ${environment.padEnd(8)} ${url}`,
  );
  const keys = venueIds
    .filter((venue) => hosts.some((host) => host.venue === venue))
    .map((venue) => JSON.stringify(control.addKey(venue, { account: "demo" })));
  return [
    "venues",
    ...lines,
    "",
    "control",
    `  ${controlUrl}/_control/`,
    "",
    "keys made for this run",
    ...keys,
    "",
  ].join("\n");
}
