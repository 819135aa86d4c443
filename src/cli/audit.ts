import { createReadStream } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import type { KnownEnd, Verification } from "../audit/chain.ts";
import { type Cli, type PageOptions, pageOptions } from "./cli.ts";
import { CliError } from "./errors.ts";
import type { Column } from "./output.ts";
import type { Event } from "./shapes.ts";

type ListOptions = PageOptions &
  Readonly<{ credential?: string; event?: string; since?: string; until?: string }>;

const columns: readonly Column<Event>[] = [
  ["seq", ({ seq }) => seq],
  ["at", ({ at }) => at],
  ["event", ({ event }) => event],
  ["outcome", ({ outcome }) => outcome],
  ["by", ({ detail }) => actorOf(detail["actor"])],
  [
    "detail",
    ({ detail }) =>
      Object.entries(detail)
        .filter(isTold)
        .map(([name, value]) => `${name}=${wordOf(value)}`),
  ],
];

/** The actor has a column of its own. */
function isTold([name, value]: readonly [string, unknown]): boolean {
  return value !== null && name !== "actor";
}

/** What kind of actor it was, and which one: a member by its id, a task by its name, the operator by the subject. */
function actorOf(actor: unknown): string {
  const parsed = z.object({ kind: z.string() }).and(z.record(z.string(), z.unknown())).safeParse(actor);
  if (!parsed.success) return "";
  const { kind, member_id, task, subject } = parsed.data;
  return [kind, member_id ?? task ?? subject].map(wordOf).join(" ");
}

export function addAuditCommands(program: Command, cli: Cli): void {
  const audit = program.command("audit").description("the record of everything that happened");
  pageOptions(audit.command("list"))
    .description("show events, newest first")
    .option("--credential <id>", "of this credential")
    .option("--event <name>", "of this name, such as credential.revealed")
    .option("--since <time>", "from this time on, RFC 3339")
    .option("--until <time>", "before this time, RFC 3339")
    .action(async ({ credential, ...rest }: ListOptions) => {
      const api = await cli.api();
      const page = await api.audit.list({ credential_id: credential, ...rest });
      cli.output.list(page, columns);
    });
  audit
    .command("verify")
    .description("hold every link of the chain against the one before; exits with 1 where it is broken")
    .argument("[file]", "an export, or - for standard input; asked of the service when left out")
    .option(
      "--end <link:hash>",
      "an end that is known from before, to find a chain that was cut off",
      parseEnd,
    )
    .action(async (file: string | undefined, { end }: Readonly<{ end?: KnownEnd }>) => {
      const { verifyChain } = await import("../audit/chain.ts");
      const { readLines } = await import("./lines.ts");
      const verification = await readable(file, () => verifyChain(readLines(source(cli, file)), end));
      tell(cli, verification);
    });
}

function tell({ output }: Cli, verification: Verification): void {
  if (!verification.intact) {
    const { line, reason } = verification;
    output.data(verification);
    throw new CliError("refused", `the record is broken at line ${line}: ${reason}`);
  }
  output.one(verification, [
    ["intact", ({ intact }) => intact],
    ["tenant", ({ tenant }) => tenant],
    ["links", ({ links }) => links],
    ["events", ({ events }) => events],
    ["end", ({ end }) => (end === null ? null : `${end.link}:${end.hash}`)],
  ]);
}

async function* source({ api, terminal }: Cli, file: string | undefined): AsyncGenerator<Uint8Array> {
  if (file === "-") yield* terminal.input;
  else if (file !== undefined) yield* createReadStream(file);
  else yield* (await api()).audit.export();
}

async function readable<T>(file: string | undefined, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (file === undefined || !(error instanceof Error && "code" in error)) throw error;
    throw new CliError("usage", `${file} cannot be read (${String(error.code)})`);
  }
}

function parseEnd(text: string): KnownEnd {
  const { link, hash } = /^(?<link>\d{1,15}):(?<hash>[0-9a-f]{64})$/.exec(text)?.groups ?? {};
  if (link === undefined || hash === undefined) {
    throw new InvalidArgumentError("Give the end as an earlier verification printed it.");
  }
  return { link: Number(link), hash };
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}
