import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { StartError } from "../src/errors.ts";
import { idOf, openStage, type Stage } from "./stage.ts";
import { steps } from "./steps.ts";
import { createTeller, type Teller } from "./tell.ts";
import { tokenOf, walk } from "./walk.ts";

const usage = `npm run demo -- [--once] [--folder <path>]

Starts the service on a PostgreSQL of its own and simulated venues, and walks one
credential through its life. Stays up until Ctrl-C; with --once it ends, with 0 when
every step came out as expected and 1 otherwise.
`;

const { values } = parseArgs({
  options: { once: { type: "boolean" }, folder: { type: "string" }, help: { type: "boolean", short: "h" } },
});
const folder = values.folder ?? join(import.meta.dirname, "..", ".keyhold", "demo");
const teller = createTeller(process.stdout);

if (values.help === true) process.stdout.write(usage);
else process.exitCode = await run().catch(refusedToStart);

async function run(): Promise<number> {
  teller.line("Keyhold, with simulated venues and everything else real");
  teller.line();
  const interrupted = stopOnSignal();
  await using stage = await openStage(folder);
  introduce(stage, teller);
  const asExpected = await Promise.race([walk(stage, teller, steps), interrupted]);
  if (asExpected === true && values.once !== true) {
    await invite(stage, teller);
    await interrupted;
  }
  return asExpected === false ? 1 : 0;
}

/** Resolves at the first Ctrl-C or SIGTERM, or when nobody reads any more. */
async function stopOnSignal(): Promise<"interrupted"> {
  const { promise, resolve } = Promise.withResolvers<"interrupted">();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve("interrupted"));
  process.stdout.on("error", () => resolve("interrupted"));
  return promise;
}

function introduce({ app, simulator }: Stage, { line }: Teller): void {
  line(`  service    ${app.url}`);
  line(`  state      ${relative(process.cwd(), folder) || "."}: database, key-encryption key, signing key`);
  line(
    `  simulator  ${simulator.controlUrl}/_control/: ${new Set(simulator.hosts.map(({ venue }) => venue)).size} venues`,
  );
  line();
}

async function invite(stage: Stage, { line }: Teller): Promise<void> {
  const { url } = stage.app;
  const token = await tokenOf(stage, "bob");
  const path = `/api/v1/credentials/${idOf(stage, "alpaca")}/invoke`;
  line();
  line("The service stays up; Ctrl-C ends it. Its API is described at");
  line(`  ${url}/docs`);
  line("To call it as bob, whose token lives for an hour:");
  line(`  export KEYHOLD_URL=${url}`);
  line(`  export KEYHOLD_TOKEN=${token}`);
  line(`  curl -s -H "Authorization: Bearer $KEYHOLD_TOKEN" -H 'Content-Type: application/json' \\`);
  line(`    -d '{"operation":"account"}' $KEYHOLD_URL${path}; echo`);
  line(`  npx keyhold credential list`);
}

/** The start was refused with a sentence for the reader; anything else is a defect and shows where it lies. */
function refusedToStart(error: unknown): number {
  if (!(error instanceof StartError)) throw error;
  process.stderr.write(`keyhold: ${error.message}\n`);
  return 1;
}
