import { createReadStream } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import type { Expected, KnownEnd, Verification } from "../audit/chain.ts";
import { type Cli, type PageOptions, pageOptions } from "./cli.ts";
import { CliError } from "./errors.ts";
import type { Column } from "./output.ts";
import type { Event } from "./shapes.ts";

type ListOptions = PageOptions &
  Readonly<{
    credential?: string;
    apiKey?: string;
    event?: string;
    outcome?: string;
    actor?: string;
    issuer?: string;
    since?: string;
    until?: string;
  }>;

const columns: readonly Column<Event>[] = [
  ["seq", ({ seq }) => seq],
  ["at", ({ at }) => at],
  ["event", ({ event }) => event],
  ["outcome", ({ outcome }) => outcome],
  ["by", actorOf],
  [
    "detail",
    ({ detail }) =>
      Object.entries(detail)
        .filter(isTold)
        .map(([name, value]) => `${name}=${wordOf(value)}`),
  ],
];

/** The actor has a column of its own, and the numbers of signatures are for the service (`audit/change.ts`). */
function isTold([name, value]: readonly [string, unknown]): boolean {
  return value !== null && name !== "actor" && name !== "grants";
}

/** What kind of actor it was, and which one: a member or operator by the subject, a task by its name; and through which API key. */
function actorOf({ detail, actor_subject: subject, actor_api_key: key }: Event): string {
  const actor = z
    .object({ kind: z.string() })
    .and(z.record(z.string(), z.unknown()))
    .safeParse(detail["actor"]);
  if (!actor.success) return "";
  const { kind, member_id, task, subject: operator } = actor.data;
  const name = [kind, subject ?? member_id ?? task ?? operator].map(wordOf).join(" ");
  return key === null || key === undefined ? name : `${name} (key ${key})`;
}

export function addAuditCommands(program: Command, cli: Cli): void {
  const audit = program.command("audit").description("the record of everything that happened");
  pageOptions(audit.command("list"))
    .description("show events, newest first")
    .option("--credential <id>", "of this credential")
    .option("--event <name>", "of this name, such as credential.revealed")
    .option("--outcome <word>", "with this outcome, such as ok")
    .option("--actor <name>", "by this member (its id), operator (its subject) or task of the service")
    .option("--api-key <id>", "through this API key")
    .option("--issuer <issuer>", "by an operator with a token of this issuer")
    .option("--since <time>", "from this time on, RFC 3339")
    .option("--until <time>", "before this time, RFC 3339")
    .action(async ({ credential, apiKey, ...rest }: ListOptions) => {
      const api = await cli.api();
      const page = await api.audit.list({ credential_id: credential, api_key_id: apiKey, ...rest });
      cli.output.list(page, columns);
    });
  audit
    .command("verify")
    .description(
      "hold every link of the chain against the one before, and the last against the head; says what that does not prove. " +
        "Exits with 0 when the record is intact, 1 when it is broken or empty, 2 when it cannot be read, 3 when the service cannot be asked",
    )
    .argument("[file]", "an export, or - for standard input; asked of the service when left out")
    .option(
      "--end <link:hash>",
      "an end that an earlier verification printed: the record must lead to it",
      parseEnd,
    )
    .option("--tenant <id>", "the tenant that the record must be of", parseTenant)
    .action(async (file: string | undefined, expected: Expected) => {
      const { verifyChain } = await import("../audit/chain.ts");
      const verification = await readable(file, () => verifyChain(readLines(source(cli, file)), expected));
      await show(cli, verification);
    });
}

async function show({ output }: Cli, verification: Verification): Promise<void> {
  const { nothingToVerify } = await import("../audit/chain.ts");
  if (!verification.intact) {
    const { line, reason } = verification;
    output.data(verification);
    const told = reason === nothingToVerify ? reason : `the record is broken at line ${line}: ${reason}`;
    throw new CliError("refused", told);
  }
  output.one(verification, [
    ["intact", ({ complete }) => (complete ? "yes" : "as far as it goes")],
    ["tenant", ({ tenant }) => tenant],
    ["links", ({ links }) => links],
    ["events", ({ events }) => events],
    ["end", ({ end }) => `${end.link}:${end.hash}`],
    ...verification.unchecked.map((sentence) => ["not checked", () => sentence] as const),
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

function parseTenant(text: string): string {
  const parsed = z.uuid().toLowerCase().safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError("Give the id of a tenant.");
  return parsed.data;
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/** Longer than any event or link can be. */
const longestLineBytes = 16 * 1024 * 1024;
const lineFeed = 0x0a;

/**
 * The lines of a stream as the chain of the record sees them: a line feed ends a line and nothing else does. (Readers of text
 * also break lines at U+2028, which may stand raw inside JSON.) Bytes that are not UTF-8 make an empty line, so that
 * verification stops there rather than at a look-alike. Throws `CliError` for a line that no record has.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, from)) {
      yield decode([...parts, chunk.subarray(from, end)]);
      parts = [];
      size = 0;
      from = end + 1;
    }
    parts.push(chunk.subarray(from));
    size += chunk.byteLength - from;
    if (size > longestLineBytes)
      throw new CliError("refused", "a line of the export is longer than any of a record");
  }
  if (size > 0) yield decode(parts);
}

function decode(parts: readonly Uint8Array[]): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
  } catch {
    return "";
  }
}
