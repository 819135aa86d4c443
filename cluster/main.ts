import { join } from "node:path";
import { parseArgs } from "node:util";
import { StartError } from "../src/errors.ts";
import { findProgram } from "../testkit/cluster/program.ts";
import { revive } from "../testkit/cluster/revive.ts";
import { startCluster } from "../testkit/cluster/start.ts";
import { introduce } from "./tell.ts";

const usage = `npm run cluster -- [--folder <path>] [--program <bao or vault>] [--ports <a,b,c>] [--fresh]

Starts three nodes of OpenBao or HashiCorp Vault on this machine, with TLS, sealed and
unsealed by themselves, set up for Keyhold, and says how Keyhold is pointed at them.
Stays up until Ctrl-C. What it keeps lies in the folder, and the next start goes on
with it; --fresh begins anew. Each node takes four ports, from the one given on.
`;

const options = {
  folder: { type: "string" },
  program: { type: "string" },
  ports: { type: "string" },
  fresh: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const say = (line = ""): void => void process.stdout.write(`${line}\n`);

process.exitCode = await run().catch(refusedToStart);

async function run(): Promise<number> {
  const { values } = readArguments();
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  const interrupted = stopOnSignal();
  const program = findProgram(values.program);
  const folder = values.folder ?? join(import.meta.dirname, "..", ".keyhold", "cluster");
  const ports = values.ports === undefined ? undefined : readPorts(values.ports);
  say(`Three nodes of ${program.product} ${program.version} on this machine`);
  say();
  const starting = startCluster({
    program,
    folder,
    fresh: values.fresh,
    ports,
    say: (line) => say(`  ${line}`),
  });
  const cluster = await Promise.race([starting, interrupted]);
  // What was started so far goes with this process, at once.
  if (cluster === "interrupted") process.exit(1);
  await using running = cluster;
  await introduce(running, say);
  const stopped = new AbortController();
  const reviving = revive(running.nodes, say, stopped.signal);
  await interrupted;
  say("Stopping");
  stopped.abort();
  await running.stop();
  await reviving;
  return 0;
}

function readArguments() {
  try {
    return parseArgs({ options });
  } catch (error) {
    throw new StartError(`${error instanceof Error ? error.message : "wrong arguments"}\n\n${usage}`);
  }
}

function readPorts(text: string): readonly number[] {
  const ports = text.split(",").map(Number);
  if (ports.length === 3 && ports.every((port) => Number.isInteger(port) && port > 0 && port < 65_532))
    return ports;
  throw new StartError("--ports takes three numbers with commas between them, such as 8210,8220,8230.");
}

/** Resolves at the first Ctrl-C or SIGTERM, when the terminal is closed, or when nobody reads any more. */
async function stopOnSignal(): Promise<"interrupted"> {
  const { promise, resolve } = Promise.withResolvers<"interrupted">();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => resolve("interrupted"));
  process.stdout.on("error", () => resolve("interrupted"));
  return promise;
}

/** The start was refused with a sentence for the reader; anything else is a defect and shows where it lies. */
function refusedToStart(error: unknown): number {
  if (!(error instanceof StartError)) throw error;
  process.stderr.write(`keyhold: ${error.message}\n`);
  return 1;
}
