import { parseArgs } from "node:util";
import { type Simulator, startSimulator } from "./simulator.ts";
import { venueIds } from "./venue.ts";

const usage = `node simulator/main.ts [--port <number>]

Runs every simulated venue until it is interrupted. With --port, the control API
listens there and the venues on the ports that follow; without, on free ports.
`;

const { values } = parseArgs({
  options: { port: { type: "string" }, help: { type: "boolean", short: "h" } },
});
const port = values.port === undefined ? undefined : Number(values.port);

if (values.help === true) {
  process.stdout.write(usage);
} else if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_500)) {
  process.stderr.write(`--port must be a number from 1 to 65499\n\n${usage}`);
  process.exitCode = 2;
} else {
  await run(port);
}

async function run(port: number | undefined): Promise<void> {
  const simulator = await startSimulator(port === undefined ? {} : { port });
  const stop = (): void => void simulator.close();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  process.stdout.write(describe(simulator));
}

/** Addresses for people, keys as one JSON object a line for programs. */
function describe({ hosts, control, controlUrl }: Simulator): string {
  const addresses = hosts.map(
    ({ venue, environment, url }) => `  ${venue.padEnd(9)} ${environment.padEnd(8)} ${url}`,
  );
  const keys = venueIds.map((venue) => JSON.stringify(control.addKey(venue, { account: "demo" })));
  const sections = [
    ["venues", ...addresses],
    ["control", `  ${controlUrl}/_control/hosts`],
    ["keys made for this run; they may read and trade", ...keys],
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}
