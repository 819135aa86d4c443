import { parseArgs } from "node:util";
import { StartError } from "../src/errors.ts";
import { describeMachine } from "../testkit/machine.ts";
import { type Proof, type Settings, succeeded } from "./proof.ts";
import { formatReport, toJson } from "./report.ts";

const usage = `npm run proof -- <name> [--short] [--json] [--only <part>]… [--seconds <n>] [--kills <n>] [--seed <n>]
                    [--program <path>] [--against <commit>]

  crash     processes are killed before, amid and after every effect of registering and rotating;
            some six minutes
  ha        the store's leader is lost while secrets are read and written and orders flow:
            three nodes of OpenBao or HashiCorp Vault, some ten minutes
  bulkheads one tenant attacks in five ways, with the first defence on and off, while another works;
            some twenty-five minutes
  kill      service, postmaster and connections are killed by chance under eight clients, which repeat what
            was not answered; some fifteen minutes
  webhooks  processes that send webhooks are killed again and again while 10,000 events are told;
            some four minutes

  --short          as few repetitions as still show something, under three minutes
  --only <part>    one part: crash has register, rotate, rotate-at-once, finish, reconcile and control;
                   ha has leader-killed, leader-frozen, follower-killed, all-killed and control;
                   webhooks and kill have killed and control;
                   bulkheads has key-stall, nonce-turns, clock-lanes, record-search and chain-lock
  --kills <n>      crash: how often somebody is killed at each point; ha: how often the leader is killed;
                   webhooks: how many processes are killed; kill: how many kills there are
  --seed <n>       kill: decides which kill comes when; drawn and printed when left out
  --seconds <n>    ha: of calm before, between and after faults
  --program <path> ha: \`bao\` or \`vault\`, in place of the first that is found
  --against <commit>
                   bulkheads: the same attacks on an older version, which they must harm
  --json           one JSON object in place of the report

Ends with 0 when every promise held and every control failed as it must, else with 1.
`;

const options = {
  short: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  only: { type: "string", multiple: true },
  seconds: { type: "string" },
  kills: { type: "string" },
  seed: { type: "string" },
  program: { type: "string" },
  against: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Each is loaded when it is asked for. */
const proofs: Readonly<Record<string, () => Promise<Proof>>> = {
  crash: async () => (await import("./crash/crash.ts")).proveCrashes,
  ha: async () => (await import("./ha/ha.ts")).proveAvailability,
  bulkheads: async () => (await import("./bulkheads/bulkheads.ts")).proveBulkheads,
  kill: async () => (await import("./kill/kill.ts")).proveKills,
  webhooks: async () => (await import("./webhooks/webhooks.ts")).proveWebhooks,
};

await main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`keyhold: ${error.message}\n`);
    process.exit(2);
  },
);

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  const load = proofs[positionals[0] ?? ""];
  if (values.help || load === undefined || positionals.length > 1) {
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  const prove = await load();
  const machine = describeMachine();
  const interrupted = stopOnSignal();
  await using undo = new AsyncDisposableStack();
  const began = performance.now();
  const say = (line: string): void => {
    const elapsed = Math.round((performance.now() - began) / 1000);
    process.stderr.write(`${String(elapsed).padStart(4)} s  ${line}\n`);
  };
  const report = await Promise.race([prove({ settings: readSettings(values), say, undo }), interrupted]);
  // Whatever still waits for what is ended now goes with the process.
  if (report === "interrupted") return 130;
  process.stdout.write(values.json ? toJson(report, machine) : formatReport(report, machine));
  return succeeded(report) ? 0 : 1;
}

function readArguments() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new StartError(`${error instanceof Error ? error.message : "wrong arguments"}\n\n${usage}`);
  }
}

function readSettings(values: ReturnType<typeof readArguments>["values"]): Settings {
  const { only = [], short, program, against } = values;
  return {
    only,
    short,
    program,
    against,
    seconds: readNumber("seconds", values),
    kills: readNumber("kills", values),
    seed: readNumber("seed", values),
  };
}

function readNumber(
  name: "seconds" | "kills" | "seed",
  values: Readonly<Partial<Record<"seconds" | "kills" | "seed", string | undefined>>>,
): number | null {
  const text = values[name];
  if (text === undefined) return null;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new StartError(`--${name} takes a whole number from 1 to 9999.`);
}

/** Resolves at the first Ctrl-C or SIGTERM. */
async function stopOnSignal(): Promise<"interrupted"> {
  const { promise, resolve } = Promise.withResolvers<"interrupted">();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve("interrupted"));
  return promise;
}
