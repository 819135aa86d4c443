import { Command, CommanderError } from "commander";
import { StartError } from "../errors.ts";
import { version } from "../version.ts";
import { addAccountCommands } from "./account.ts";
import { addApiKeyCommands } from "./api-key.ts";
import { addAuditCommands } from "./audit.ts";
import { type Cli, createCli } from "./cli.ts";
import { addCredentialCommands } from "./credential.ts";
import { CliError, exitCodes } from "./errors.ts";
import { addExamples } from "./examples.ts";
import { addHealthCommands } from "./health.ts";
import { addImportCommands } from "./import.ts";
import { addInvokeCommand } from "./invoke.ts";
import { addKeyCommands } from "./keys.ts";
import { addMemberCommands } from "./member.ts";
import { addOperatorKeyCommands } from "./operator-key.ts";
import { given } from "./options.ts";
import { printable } from "./output.ts";
import { refuseSecretOptions } from "./secret-input.ts";
import { addServeCommand } from "./serve.ts";
import type { Environment } from "./service.ts";
import { addStoreCommands } from "./store.ts";
import { addTenantCommands } from "./tenant.ts";
import type { Terminal } from "./terminal.ts";
import { addTokenCommands } from "./token.ts";
import { addVenuesCommand } from "./venues.ts";
import { addWebhookCommands } from "./webhook.ts";

const afterHelp = `
Environment:
  KEYHOLD_URL     the service, http://127.0.0.1:7070 when not set
  KEYHOLD_TOKEN   a token or an API key

Exit codes:
  ${exitCodes.done}  done
  ${exitCodes.refused}  refused: by the service, by the venue, or a record that does not hold
  ${exitCodes.usage}  the command line or the environment is wrong; nothing was changed
  ${exitCodes.unavailable}  the service or the venue could not be asked; try again
  ${exitCodes.unknown}  an order may have been placed; repeat with the same --idempotency-key
  ${exitCodes.interrupted}  given up by Ctrl-C, or by a no to a question
`;

/** Runs one command and returns its exit code. Never throws. */
export async function run(
  argv: readonly string[],
  terminal: Terminal,
  environment?: Environment,
): Promise<number> {
  const asJson = argv.slice(0, argv.indexOf("--") === -1 ? undefined : argv.indexOf("--")).includes("--json");
  try {
    refuseSecretOptions(argv);
    await createProgram(terminal, environment, asJson).parseAsync(argv, { from: "user" });
    return exitCodes.done;
  } catch (error) {
    return report(terminal, asJson, await explained(error, environment));
  }
}

function createProgram(terminal: Terminal, environment: Environment | undefined, asJson: boolean): Command {
  const program = new Command("keyhold")
    .description("Keeps the API credentials of trading venues: validates, seals, uses and records them.")
    .version(version())
    .option("--json", "print what the service answered, for programs; an error is a problem document")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.output.write(text),
      writeErr: (text) => terminal.notes.write(text),
      // What is wrong is reported as one document at the end.
      outputError: (text, write) => asJson || write(text.replace(/^error: /, "keyhold: ")),
    })
    .showHelpAfterError(asJson ? false : "hint: `--help` after any command shows what it takes")
    .exitOverride()
    .addHelpText("after", afterHelp);
  const cli = createCli(terminal, environment, () => asJson);
  for (const add of groups) add(program, cli);
  addExamples(program);
  return program;
}

const groups: readonly ((program: Command, cli: Cli) => void)[] = [
  addServeCommand,
  addTokenCommands,
  addTenantCommands,
  addMemberCommands,
  addAccountCommands,
  addApiKeyCommands,
  addVenuesCommand,
  addCredentialCommands,
  addImportCommands,
  addInvokeCommand,
  addWebhookCommands,
  addHealthCommands,
  addAuditCommands,
  addKeyCommands,
  addOperatorKeyCommands,
  addStoreCommands,
];

/** What a failed request means to a person. */
async function explained(error: unknown, environment: Environment | undefined): Promise<unknown> {
  if (error instanceof CliError || error instanceof CommanderError || error instanceof StartError)
    return error;
  const { explain } = await import("./service.ts");
  return explain(error, environment);
}

/** Reports a failure on `notes` and returns the exit code. The one place where errors reach people. */
function report(terminal: Terminal, asJson: boolean, error: unknown): number {
  // What the parser says of it is written already, but for programs.
  if (error instanceof CommanderError && (error.exitCode === 0 || !asJson))
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  const { failure, message, detail, hint, code, document } = describe(error);
  if (asJson) {
    const facts = given({ detail: detail ?? undefined, hint: hint ?? undefined });
    const problem = { title: message, code: code ?? failure, ...document, ...facts };
    const text = JSON.stringify({ ...problem, exit_code: exitCodes[failure] }, null, 2);
    terminal.notes.write(`${text.split("\n").map(printable).join("\n")}\n`);
    return exitCodes[failure];
  }
  const lines = [`keyhold: ${message}`];
  if (detail !== null) lines.push(`  ${detail}`);
  if (hint !== null) lines.push(`hint: ${hint}`);
  terminal.notes.write(lines.map((line) => `${printable(line)}\n`).join(""));
  return exitCodes[failure];
}

function describe(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof CommanderError) return new CliError("usage", error.message.replace(/^error: /, ""));
  if (error instanceof StartError) return new CliError("usage", asClause(error.message));
  const message = error instanceof Error ? error.message : String(error);
  return new CliError("refused", `this should not happen: ${message}`);
}

/** A sentence as it stands after a colon. Names in capitals keep them. */
function asClause(sentence: string): string {
  const clause = sentence.replace(/\.$/, "");
  return /^[A-Z][a-z]*\b/.test(clause) ? clause.charAt(0).toLowerCase() + clause.slice(1) : clause;
}
